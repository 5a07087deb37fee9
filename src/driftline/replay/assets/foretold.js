"use strict";
(() => {
  const kinds = JSON.parse(document.getElementById("data").textContent);
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const HEIGHT = 240;

  // All plots have one scale, so that they can be compared.
  const known = kinds.flat().flatMap((p) =>
    [p.slot, ...p.middle, ...p.late, ...p.soonest, ...p.latest]).filter((v) => v > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(...known) * 0.9));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...known) * 1.5));

  // Where half of the features never ring, the reason stands in the plot, and so does the slot.
  const notes = (plot) => (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.strokeStyle = color("dash");
    ctx.fillStyle = color("quiet");
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    const slot = u.valToPos(plot.slot, "y", true);
    ctx.beginPath();
    ctx.moveTo(left, slot);
    ctx.lineTo(left + width, slot);
    ctx.stroke();
    ctx.textAlign = "right";
    ctx.fillText("one slot", left + width - 4 * devicePixelRatio, slot - 4 * devicePixelRatio);
    plot.why.forEach((why, i) => {
      if (!why) return;
      ctx.save();
      ctx.translate(u.valToPos(i, "x", true) + 4 * devicePixelRatio, top + height / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.textAlign = "center";
      ctx.fillStyle = color("change");
      ctx.fillText(why, 0, 0);
      ctx.restore();
    });
    ctx.restore();
  };

  function frame(host, plot) {
    const box = document.createElement("div");
    box.className = "plot";
    const head = document.createElement("p");
    head.append(plot.title);
    box.append(head);
    host.append(box);
    return { box, head, plot };
  }

  function draw({ box, head, plot }) {
    const axis = axes.plain(11);
    const line = { stroke: color("line"), width: 2, points: { show: true, size: 6 } };
    const hidden = { stroke: "transparent", points: { show: false } };
    const chart = new uPlot(
      {
        width: Math.max(200, box.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
        scales: {
          x: { time: false, range: [-0.5, plot.sizes.length - 0.5] },
          y: { distr: 3, range: [low, high] },
        },
        axes: [
          { ...axis, grid: { show: false }, splits: plot.sizes.map((_, i) => i),
            values: () => plot.sizes },
          { ...axis, size: 52, values: (_, ticks) =>
            ticks.map((v) => (v && /^1/.test(v.toExponential()) ? short.format(v) : "")) },
        ],
        series: [{}, hidden, hidden, line,
          { ...line, width: 1, dash: [5, 4], points: { show: true, size: 4 } }],
        bands: [{ series: [2, 1], fill: color("band") }],
        hooks: {
          draw: [notes(plot)],
          setCursor: [(u) => {
            const at = u.cursor.idx;
            head.textContent = at == null ? plot.title : plot.said[at];
          }],
        },
      },
      [
        plot.sizes.map((_, i) => i),
        plot.soonest,
        // A feature that never rings stretches the band to the top.
        plot.latest.map((v, i) => (v == null && plot.soonest[i] != null ? high : v)),
        plot.middle,
        plot.late,
      ],
      box,
    );
    return { chart, box };
  }

  const hosts = [...document.querySelectorAll(".foretold")];
  let made = [];
  function all() {
    for (const { chart, box } of made) {
      chart.destroy();
      box.remove();
    }
    // All frames first: how wide one is depends on the others beside it.
    const frames = hosts.flatMap((host) =>
      kinds[+host.dataset.kind].map((plot) => frame(host, plot)));
    made = frames.map(draw);
  }
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const { chart, box } of made) {
        chart.setSize({ width: Math.max(200, box.clientWidth), height: HEIGHT });
      }
    }, 100);
  });
})();
