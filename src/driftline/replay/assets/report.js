"use strict";
(() => {
  const { models, quality } = JSON.parse(document.getElementById("data").textContent);
  const { place, draw, drawClose, drawQuality } = driftlinePlots;

  function timeline(host, t) {
    const W = 1200, ROW = 24, LEFT = 260, H = t.incidents.length * ROW + 26;
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
    const add = (tag, attributes, text) => {
      const node = document.createElementNS(ns, tag);
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      if (text) node.textContent = text;
      svg.append(node);
      return node;
    };
    const last = Math.max(t.last, ...t.incidents.map((i) => i.detected));
    const first = Math.min(t.first, ...t.incidents.map((i) => i.change));
    const x = (ts) => LEFT + ((ts - first) / (last - first || 1)) * (W - LEFT - 10);
    for (let i = 0; i <= 5; i++) {
      const ts = first + ((last - first) * i) / 5;
      add("line", { x1: x(ts), x2: x(ts), y1: 0, y2: H - 20, style: "stroke:var(--rule)" });
      const anchor = i === 0 ? "start" : i === 5 ? "end" : "middle";
      const day = new Date(ts * 1e3).toISOString();
      const text = last - first > 5 * 86400 ? day.slice(0, 10) : day.slice(5, 16).replace("T", " ");
      add("text", { x: x(ts), y: H - 5, "text-anchor": anchor, class: "axis" }, text);
    }
    t.incidents.forEach((incident, row) => {
      const y = row * ROW + 4;
      const shade = incident.severity === "page" ? "change" : "notice";
      const end = incident.resolved ?? last;
      add("text", { x: 0, y: y + 12 }, incident.label.length > 38
        ? incident.label.slice(0, 37) + "…" : incident.label);
      add("rect", { x: x(incident.change), y, rx: 2, height: 15,
        width: Math.max(3, x(end) - x(incident.change)),
        style: `fill:var(--${shade});opacity:.35` });
      add("rect", { x: x(incident.change) - 1, y: y - 2, width: 2.5, height: 19,
        style: `fill:var(--${shade})` });
      add("rect", { x: x(incident.detected) - 1, y: y - 2, width: 2.5, height: 19,
        style: "fill:var(--seen)" });
    });
    host.append(svg);
  }

  for (const host of document.querySelectorAll(".timeline")) {
    timeline(host, models[+host.dataset.model].timeline);
  }
  for (const host of document.querySelectorAll(".charts")) {
    const model = models[+host.dataset.model];
    for (const chart of model.charts) {
      const row = place("feature", model, chart, "model" + host.dataset.model, draw);
      const head = document.createElement("h3");
      const kind = document.createElement("small");
      kind.textContent = chart.kind;
      head.append(chart.name, kind);
      row.append(head);
      host.append(row);
    }
  }
  for (const host of document.querySelectorAll(".close")) {
    for (const over of models[+host.dataset.model].close[host.dataset.incident]) {
      host.append(place("near", over, over.chart, host.dataset.incident, drawClose));
    }
  }

  for (const host of document.querySelectorAll(".quality")) {
    const over = quality[+host.dataset.place];
    host.append(place("feature", over, over, "quality" + host.dataset.place, drawQuality));
  }
})();
