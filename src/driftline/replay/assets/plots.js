"use strict";
// The plots of columns, incidents and quality, for the reports and for the page: `place` makes an
// element that is drawn once it comes into view, `forget` lets go of those within an element, and
// `redraw` draws all anew, in other colours.
const driftlinePlots = (() => {
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
  const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false });
  const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
  const say = (v, share) => (v == null ? "–" : share ? percent.format(v)
    : Math.abs(v) < 1e4 ? plain.format(v) : short.format(v));
  const HEIGHT = 160;

  // Vertical lines where a change is estimated to have begun, and where it was detected; the
  // interval that it lies in is shaded.
  const marks = (list) => ({
    hooks: {
      draw: [
        (u) => {
          const { ctx } = u;
          const { left, top, width, height } = u.bbox;
          const line = (ts, style, dash) => {
            const x = Math.round(u.valToPos(ts, "x", true)) + 0.5;
            if (x < left || x > left + width) return;
            ctx.save();
            ctx.strokeStyle = style;
            ctx.lineWidth = 2 * devicePixelRatio;
            ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
            ctx.beginPath();
            ctx.moveTo(x, top);
            ctx.lineTo(x, top + height);
            ctx.stroke();
            ctx.restore();
          };
          for (const mark of list) {
            if (mark.interval) {
              const [from, to] = mark.interval.map((ts) =>
                Math.min(left + width, Math.max(left, u.valToPos(ts, "x", true))));
              ctx.save();
              ctx.fillStyle = color("change");
              ctx.globalAlpha = 0.18;
              ctx.fillRect(from, top, to - from, height);
              ctx.restore();
            }
            line(mark.detected, color("seen"), [2, 3]);
            line(mark.change, color("change"), []);
          }
        },
      ],
    },
  });

  const flat = (times, value) => times.map(() => value);

  // One plot: `lines` are {label, values, stroke, dash}; `band` fills between the first two.
  function plot(host, times, title, lines, options) {
    const box = document.createElement("div");
    box.className = "plot";
    const head = document.createElement("p");
    head.append(title);
    box.append(head);
    host.append(box);
    const axis = axes.plain(11);
    const series = lines.map((line) => ({
      label: line.label,
      stroke: line.stroke,
      width: line.width ?? 1.5,
      dash: line.dash,
      spanGaps: false,
      points: { show: times.length < 3 },
      value: (_, v) => say(v, options.share),
    }));
    const chart = new uPlot(
      {
        width: Math.max(200, box.clientWidth),
        height: HEIGHT,
        tzDate: axes.utc,
        legend: { show: false },
        cursor: { sync: { key: options.sync }, drag: { x: true, y: false }, points: { size: 5 } },
        scales: {
          // Points stand in the middle of their stretches, marks at any time: the axis holds both.
          x: { time: true, range: (_, low, high) =>
            low <= times[0] && high >= times.at(-1) ? options.ends : [low, high] },
          y: {
            range: (_, low, high) => {
              if (low == null) return [0, 1];
              const floor = options.zero ? 0 : low;
              const room = (high - floor || Math.abs(high) || 1) * 0.08;
              return [options.zero ? 0 : low - room, high + room];
            },
          },
        },
        axes: [
          { ...axis, space: 70, size: 40, values: axes.dates },
          { ...axis, size: 52, values: (_, ticks) => ticks.map((v) => say(v, options.share)) },
        ],
        bands: options.band ? [{ series: [2, 1], fill: color("band") }] : [],
        series: [{}, ...series],
        plugins: [marks(options.marks)],
        hooks: {
          setCursor: [
            (u) => {
              const at = u.cursor.idx;
              head.textContent = "";
              if (at == null) return head.append(title);
              const when = axes.when(times[at]);
              const told = lines
                .filter((line) => line.label)
                .map((line) => `${line.label} ${say(line.values[at], options.share)}`);
              head.append(`${when}  ${told.join(", ")}`);
            },
          ],
        },
      },
      [times, ...lines.map((line) => line.values)],
      box,
    );
    return { chart, box };
  }

  function valueLines(times, c, near) {
    const normal = (name) => ({ values: flat(times, c.normal[name]), stroke: color("dash"),
      dash: [5, 4], width: 1 });
    if (!c.shares) {
      return [
        { label: near ? "25 %" : "5 %", values: c.lines.low, stroke: "transparent" },
        { label: near ? "75 %" : "95 %", values: c.lines.high, stroke: "transparent" },
        { label: "median", values: c.lines.median, stroke: color("line"), width: 2 },
        normal("low"), normal("median"), normal("high"),
      ];
    }
    return Object.keys(c.lines).flatMap((name, i) => {
      const line = { label: name, values: c.lines[name], stroke: color("l" + (i + 1)) };
      return name in c.normal ? [line, { ...normal(name), stroke: line.stroke }] : [line];
    });
  }

  function levelsTitle(c) {
    const title = document.createElement("span");
    Object.keys(c.lines).forEach((name, i) => {
      const swatch = document.createElement("i");
      swatch.style.background = color("l" + (i + 1));
      title.append(swatch, name);
    });
    return title;
  }

  function missingPlot(host, times, c, title, common) {
    return plot(host, times, title, [
      { label: "missing", values: c.missing, stroke: color("line") },
      { label: "reference", values: flat(times, c.normal_missing), stroke: color("dash"),
        dash: [5, 4], width: 1 },
    ], { ...common, share: true, zero: true });
  }

  // An incident's own plots: of each column what the incident says of it, and nothing else.
  function drawClose(host, { times, ends, of }, c, sync) {
    const numeric = !c.shares;
    const common = { sync, marks: c.marks, ends };
    const title = document.createElement("span");
    const name = document.createElement("b");
    name.textContent = c.name;
    title.append(name, of ? ` in ${of} ` : " ");
    if (c.missing && c.marks[0].kind === "missing") {
      title.append("share missing");
      return [missingPlot(host, times, c, title, common)];
    }
    if (!numeric) title.append(levelsTitle(c));
    return [plot(host, times, title, valueLines(times, c, true),
      { ...common, band: numeric, share: !numeric && !c.counted, zero: !numeric && !c.cropped })];
  }

  function draw(host, { times, ends }, c, sync) {
    const numeric = !c.shares;
    const common = { sync, marks: c.marks, ends };
    const made = [
      plot(host, times, numeric ? "values" : levelsTitle(c), valueLines(times, c, false),
        { ...common, band: numeric, share: !numeric, zero: !numeric }),
      plot(host, times, "PSI against the reference", [
        { label: "PSI", values: c.psi, stroke: color("line") },
        { label: "expected by chance", values: c.floor, stroke: color("dash"), dash: [5, 4],
          width: 1 },
      ], { ...common, zero: true }),
    ];
    if (c.evidence) {
      made.push(plot(host, times, "evidence, as a part of what rings", [
        { label: "evidence", values: c.evidence, stroke: color("line") },
        { label: "", values: flat(times, 1), stroke: color("dash"), dash: [5, 4], width: 1 },
      ], { ...common, zero: true }));
    }
    if (c.missing) {
      made.push(missingPlot(host, times, c, "missing", common));
    }
    return made;
  }

  function drawQuality(host, { times, ends }, c, sync) {
    return [plot(host, times, c.name, [
      { label: "realised", values: c.realised, stroke: color("line"), width: 2 },
      { label: "estimated", values: c.estimated, stroke: color("l2") },
      { label: "promised", values: flat(times, c.promised), stroke: color("dash"), dash: [5, 4],
        width: 1 },
    ], { sync, marks: [], ends })];
  }

  // How many events came, where an incident is about that.
  function drawTraffic(host, { times, ends, marks: list }, c, sync) {
    return [plot(host, times, "events a window", [
      { label: "events", values: c.counts, stroke: color("line"), width: 2 },
    ], { sync, marks: list, ends, zero: true })];
  }

  const drawn = new Map();
  function show(row) {
    const { over, chart, sync, how } = row.source;
    drawn.set(row, how(row, over, chart, sync));
  }
  // Plots are made when they come into view: a report may hold a thousand.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target)) show(entry.target);
    }
  }, { rootMargin: "600px" });

  // An element for `how` to draw into, from what `over` and `chart` say.
  function place(className, over, chart, sync, how) {
    const row = document.createElement("div");
    row.className = className;
    row.source = { over, chart, sync, how };
    seen.observe(row);
    return row;
  }

  function clear(row) {
    for (const { chart, box } of drawn.get(row)) {
      chart.destroy();
      box.remove();
    }
    drawn.delete(row);
    seen.unobserve(row);
  }

  function redraw() {
    for (const row of [...drawn.keys()]) {
      clear(row);
      seen.observe(row);
    }
  }

  function forget(within) {
    for (const row of [...drawn.keys()]) if (within.contains(row)) clear(row);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    for (const row of document.querySelectorAll(".feature, .near")) if (!drawn.has(row)) show(row);
  });
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const made of drawn.values()) {
        for (const { chart, box } of made) {
          chart.setSize({ width: Math.max(200, box.clientWidth), height: HEIGHT });
        }
      }
    }, 100);
  });
  return { place, redraw, forget, draw, drawClose, drawQuality, drawTraffic };
})();
