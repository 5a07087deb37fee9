"use strict";
// What all plots have in common: axes in the colours of the page, and times in UTC.
const axes = {
  utc: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
  when: (ts) => new Date(ts * 1e3).toISOString().slice(0, 16).replace("T", " "),
  // From which step of the axis on: the label, and what stands under it where year or day change.
  dates: [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  ],
  plain: (pixels) => ({
    stroke: color("quiet"),
    grid: { stroke: color("rule"), width: 1 },
    ticks: { stroke: color("rule"), width: 1 },
    font: `${pixels}px system-ui, sans-serif`,
  }),
};
