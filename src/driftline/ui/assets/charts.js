// Plots are fetched apart from their page, and again when something has changed.
const HOW = {
  column: ["feature", driftlinePlots.draw],
  close: ["near", driftlinePlots.drawClose],
  quality: ["feature one", driftlinePlots.drawQuality],
  traffic: ["feature one", driftlinePlots.drawTraffic],
};

export const redraw = driftlinePlots.redraw;

export function charts() {
  for (const figure of document.querySelectorAll("[data-chart]")) fill(figure);
}

async function fill(figure) {
  let plots;
  try {
    const answer = await fetch(figure.dataset.chart);
    if (!answer.ok) throw new Error(answer.statusText);
    ({ plots } = await answer.json());
  } catch {
    if (!figure.dataset.filled) say(figure, "The plot could not be loaded.");
    return;
  }
  const text = JSON.stringify(plots);
  if (figure.filled === text) return;
  figure.filled = text;
  driftlinePlots.forget(figure);
  if (!plots.length) return say(figure, "There is nothing to draw yet.");
  const inner = document.createElement("div");
  inner.setAttribute("role", "img");
  inner.setAttribute("aria-label", figure.dataset.name);
  inner.className = plots[0].kind === "close" ? "close" : "plots";
  for (const each of plots) {
    const [width, how] = HOW[each.kind];
    // Values and PSI, and either of missing and evidence where it is told: two rows of two, or one.
    const further = ["missing", "evidence"].filter((part) => each.chart?.[part]).length;
    const name = width === "feature" && further !== 1 ? "feature pair" : width;
    inner.append(driftlinePlots.place(name, each, each.chart ?? each, figure.dataset.chart, how));
  }
  figure.replaceChildren(inner, table(plots));
}

function say(figure, words) {
  const line = document.createElement("p");
  line.className = "quiet";
  line.textContent = words;
  figure.replaceChildren(line);
}

// The same as a table, for those who cannot see the plot, or want the numbers.
function table(plots) {
  const details = document.createElement("details");
  const summary = details.appendChild(document.createElement("summary"));
  summary.textContent = "The plot as a table";
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    for (const each of plots) details.append(rows(each));
  }, { once: true });
  return details;
}

function rows(each) {
  const c = each.chart ?? each;
  const columns = c.lines ? { ...c.lines } : {};
  for (const name of ["psi", "evidence", "missing", "realised", "estimated", "counts"]) {
    if (c[name]) columns[name] = c[name];
  }
  const box = document.createElement("div");
  box.className = "scroll";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${c.name ?? "events"} as a table`);
  const out = box.appendChild(document.createElement("table"));
  const caption = out.createCaption();
  caption.textContent = [c.name, each.of ? `in ${each.of}` : ""].join(" ").trim();
  const head = out.createTHead().insertRow();
  for (const name of ["from about", ...Object.keys(columns)]) {
    const cell = head.appendChild(document.createElement("th"));
    cell.scope = "col";
    cell.textContent = name;
  }
  const body = out.createTBody();
  each.times.forEach((at, i) => {
    const row = body.insertRow();
    row.insertCell().textContent = new Date(at * 1e3).toISOString().slice(0, 16).replace("T", " ");
    for (const values of Object.values(columns)) {
      const cell = row.insertCell();
      cell.className = "num";
      cell.textContent = values[i] == null ? "–" : Number(values[i].toPrecision(4));
    }
  });
  return box;
}
