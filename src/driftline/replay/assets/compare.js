"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LANE = 44, TOP = 26, AXIS = 42;
  const WIDE = 760;
  const brief = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

  // True pages are discs, false ones crosses, others squares; notices are small rings.
  function mark(ctx, x, y, size, alarm) {
    const shade = color(alarm.verdict === "true" ? "true" : alarm.verdict === "false" ? "false"
      : "unknown");
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = shade;
    ctx.lineWidth = size * 0.34;
    ctx.beginPath();
    if (!alarm.page) {
      ctx.lineWidth = size * 0.2;
      ctx.arc(x, y, size * 0.42, 0, 2 * Math.PI);
      ctx.stroke();
    } else if (alarm.verdict === "true") {
      ctx.arc(x, y, size * 0.75, 0, 2 * Math.PI);
      ctx.fill();
    } else if (alarm.verdict === "false") {
      const r = size * 0.6;
      ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r);
      ctx.moveTo(x - r, y + r); ctx.lineTo(x + r, y - r);
      ctx.stroke();
    } else {
      ctx.fillRect(x - size * 0.6, y - size * 0.6, size * 1.2, size * 1.2);
    }
    ctx.restore();
  }

  // One time axis, a lane for each contract: what happened is shaded, alarms stand where they came.
  // A close-up is of one thing that happened, and shades nothing else.
  function lanes(host, from, to, near) {
    const named = near !== undefined;
    const shaded = named ? [data.known[near]] : data.known;
    const head = document.createElement("p");
    const box = document.createElement("div");
    host.append(head, box);
    const count = data.lanes.length;
    const lane = (place) => count - place - 0.5;
    const times = [...new Set([from, to, ...data.lanes.flatMap((l) => l.alarms.map((a) => a.at))])]
      .filter((ts) => ts >= from && ts <= to).sort((a, b) => a - b);
    const rest = named ? "" : "Point at a mark, or tap it, to see what it says.";
    head.textContent = rest;

    const wide = host.clientWidth >= WIDE;
    const label = (each) => wide && !named ? `${each.letter}  ${brief(each.name, 24)}` : each.letter;

    const draw = (u) => {
      const { ctx } = u;
      const { left, top, width, height } = u.bbox;
      const scale = devicePixelRatio;
      const at = (ts) => u.valToPos(ts, "x", true);
      const clip = (x) => Math.min(left + width, Math.max(left, x));
      ctx.save();
      let labelled = -Infinity;
      for (const known of shaded) {
        const start = clip(at(known.since)), end = clip(at(known.until ?? data.last));
        if (known.since > to || (known.until ?? data.last) < from) continue;
        ctx.globalAlpha = 0.16;
        ctx.fillStyle = color("known");
        ctx.fillRect(start, top, Math.max(2 * scale, end - start), height);
        ctx.globalAlpha = 1;
        ctx.fillRect(start, top, 1.5 * scale, height);
        ctx.font = `${12 * scale}px system-ui, sans-serif`;
        const size = ctx.measureText(known.name).width + 10 * scale;
        const right = start + size > left + width;
        if (start > labelled) {
          ctx.textAlign = right ? "right" : "left";
          ctx.fillText(known.name, right ? start - 4 * scale : start + 4 * scale, top - 6 * scale);
          labelled = start + (right ? 4 * scale : size);
        }
      }
      data.lanes.forEach((each, place) => {
        const y = u.valToPos(lane(place), "y", true);
        ctx.strokeStyle = color("rule");
        ctx.lineWidth = scale;
        ctx.beginPath();
        ctx.moveTo(left, y); ctx.lineTo(left + width, y);
        ctx.stroke();
        if (wide && !named) {
          ctx.font = `${12 * scale}px system-ui, sans-serif`;
          ctx.textAlign = "left";
          ctx.textBaseline = "middle";
          ctx.fillStyle = color("quiet");
          ctx.fillText(each.told, left + width + 10 * scale, y);
        }
        const drawn = [...each.alarms].sort((a, b) => a.page - b.page);
        for (const alarm of drawn) {
          if (alarm.at < from || alarm.at > to) continue;
          mark(ctx, at(alarm.at), y, 9 * scale, alarm);
        }
      });
      ctx.restore();
    };

    const nearest = (u) => {
      let best = null, distance = 16;
      data.lanes.forEach((each, place) => {
        const y = u.valToPos(lane(place), "y");
        for (const alarm of each.alarms) {
          const d = Math.hypot(u.valToPos(alarm.at, "x") - u.cursor.left, (y - u.cursor.top) * 0.6);
          if (d < distance) [best, distance] = [{ each, alarm }, d];
        }
      });
      return best;
    };

    const axis = axes.plain(12);
    const chart = new uPlot({
      width: Math.max(240, host.clientWidth),
      height: count * LANE + TOP + AXIS,
      padding: [TOP, wide && !named ? 24 + 7 * Math.max(...data.lanes.map((l) => l.told.length)) : 14,
        0, 0],
      tzDate: axes.utc,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: !named, y: false } },
      scales: {
        x: { time: true, range: (_, low, high) => low <= times[0] && high >= times.at(-1)
          ? [from, to] : [low, high] },
        y: { range: [0, count] },
      },
      axes: [
        { ...axis, space: 74, size: AXIS, values: axes.dates },
        { ...axis, size: wide && !named ? 24 + 8 * Math.max(...data.lanes.map((l) => label(l).length))
          : 30, grid: { show: false }, ticks: { show: false },
          font: "600 13px system-ui, sans-serif", stroke: color("ink"),
          splits: () => data.lanes.map((_, place) => lane(place)),
          values: () => data.lanes.map(label) },
      ],
      series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
      hooks: {
        draw: [draw],
        setCursor: [(u) => {
          const found = u.cursor.left >= 0 ? nearest(u) : null;
          head.textContent = found
            ? `${found.each.letter}, ${found.alarm.page ? "page" : "notice"} ` +
              `${axes.when(found.alarm.at)}: ${found.alarm.named}: ${found.alarm.text}`
            : rest;
        }],
      },
    }, [times, times.map(() => 0)], box);
    return { chart, host };
  }

  // Pages as they add up, beside what each contract promises.
  function sums(host) {
    const head = document.createElement("p");
    head.style.minHeight = "1.5em";
    const box = document.createElement("div");
    host.append(head, box);
    const times = [...new Set([data.first, data.last,
      ...data.lanes.flatMap((l) => l.alarms.filter((a) => a.page).map((a) => a.at))])]
      .filter((ts) => ts >= data.first && ts <= data.last).sort((a, b) => a - b);
    const total = (l) => times.map((ts) => l.alarms.filter((a) => a.page && a.at <= ts).length);
    const shade = (place) => color("l" + ((place % 5) + 1));
    const lines = data.lanes.map((l, place) => ({ label: l.letter, values: total(l),
      stroke: shade(place), width: 2, paths: uPlot.paths.stepped({ align: 1 }) }));
    const promises = data.promises.map(({ letters, rate }) => ({ label: `promised by ${letters}`,
      values: times.map((ts) => (ts - data.first) * rate), stroke: color("dash"), width: 1,
      dash: [5, 4] }));
    const all = [...lines, ...promises];
    head.append(...data.lanes.slice(0, 16).flatMap((l, place) => {
      const swatch = document.createElement("i");
      swatch.style.cssText = `display:inline-block;width:18px;height:0;margin:0 5px 0 ${
        place ? 16 : 0}px;vertical-align:middle;border-top:3px solid ${shade(place)}`;
      return [swatch, `${l.letter} ${total(l).at(-1)}`];
    }), "\u2003dashed: the false pages that are promised at most");
    const axis = axes.plain(12);
    const chart = new uPlot({
      width: Math.max(240, host.clientWidth),
      height: 210,
      padding: [10, 14, 0, 0],
      tzDate: axes.utc,
      legend: { show: false },
      cursor: { points: { size: 5 }, drag: { x: false, y: false } },
      scales: { x: { time: true, range: [data.first, data.last] },
        y: { range: (_, __, high) => [0, Math.max(1, ...lines.map((l) => l.values.at(-1))) * 1.12] } },
      axes: [{ ...axis, space: 74, size: AXIS, values: axes.dates },
        { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000] }],
      series: [{}, ...all.map(({ label, stroke, width, dash, paths }) =>
        ({ label, stroke, width, dash, paths, points: { show: false } }))],
    }, [times, ...all.map((line) => line.values)], box);
    return { chart, host };
  }

  let made = [];
  function drawAll() {
    for (const { chart, host } of made) { chart.destroy(); host.textContent = ""; }
    made = [];
    for (const host of document.querySelectorAll("[data-from]")) {
      made.push(lanes(host, +host.dataset.from, +host.dataset.to, host.dataset.near));
    }
    const host = document.getElementById("sums");
    if (host) made.push(sums(host));
  }
  drawAll();
  const main = document.querySelector("main");
  let width = main.clientWidth;
  new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    drawAll();
  }).observe(main);
  // Paper has a width and colours of its own.
  for (const query of ["print", "(prefers-color-scheme: dark)"]) {
    matchMedia(query).addEventListener("change", drawAll);
  }
})();
