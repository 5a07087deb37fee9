// One key does one thing, but not while somebody writes.
export function keys() {
  const dialog = document.getElementById("keys");
  document.getElementById("help")?.addEventListener("click", () => dialog.showModal());
  let before = "";
  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || writes || dialog.open) return;
    const chord = before + event.key;
    before = event.key === "g" ? "g" : "";
    const act = ACTS[chord] ?? ACTS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const press = (id) => document.getElementById(id)?.click();
const ACTS = {
  "/": () => document.getElementById("q")?.focus(),
  "?": () => press("help"),
  a: () => document.getElementById("acknowledge")?.focus(),
  f: () => press("follow"),
  gi: () => { location.href = "/incidents"; },
  gm: () => { location.href = "/"; },
  j: () => step(1),
  k: () => step(-1),
  t: () => press("theme"),
  u: () => document.querySelector("[data-up]")?.click(),
};

function step(by) {
  const items = [...document.querySelectorAll("[data-item]")];
  const at = items.indexOf(document.activeElement);
  items[Math.min(items.length - 1, Math.max(0, at + by))]?.focus();
}
