import { charts } from "./charts.js";

// What changes is told by server-sent events; the page is then fetched again, and those parts of
// it that are marked for it are put in the place of what stands there.
const WAIT_MS = 1_500;

export function follow() {
  const button = document.getElementById("follow");
  let source = null;
  let timer = null;
  let missed = false;

  const concerns = ({ models, incidents, many }) => {
    const [kind, name] = document.body.dataset.watch.split(/:(.*)/s);
    if (many || kind === "models" || kind === "incidents") return true;
    return (kind === "model" ? models : incidents).includes(name);
  };

  const soon = () => {
    // Many changes in a moment are one; who writes into a form is not disturbed.
    timer ??= setTimeout(async () => {
      timer = null;
      if (document.hidden) missed = true;
      else await refresh();
    }, WAIT_MS);
  };

  const listen = () => {
    source = new EventSource("/events");
    source.addEventListener("here", (event) => {
      // What has changed since the page was made, or while nobody listened, is not told again.
      if (event.data !== document.body.dataset.revision) soon();
      button.classList.remove("lost");
      label("Live");
    });
    source.addEventListener("change", (event) => {
      if (concerns(JSON.parse(event.data))) soon();
    });
    source.addEventListener("error", () => {
      button.classList.add("lost");
      label("Connecting");
      if (source.readyState === EventSource.CLOSED) setTimeout(() => source && listen(), 5_000);
    });
  };

  const label = (word) => { button.querySelector(".word").textContent = word; };

  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    source?.close();
    source = null;
    label(on ? "Live" : "Stopped");
    if (on) listen();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && missed) {
      missed = false;
      soon();
    }
  });
  addEventListener("pagehide", () => source?.close());
  listen();
}

async function refresh() {
  let text;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    text = await answer.text();
  } catch {
    return;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  document.body.dataset.revision = fresh.body.dataset.revision;
  let changed = false;
  for (const old of document.querySelectorAll("[data-swap], #trouble, #asof")) {
    const next = fresh.getElementById(old.id);
    if (!next) {
      if (old.id === "trouble") old.remove();
      continue;
    }
    if (next.innerHTML === old.innerHTML || old.contains(document.activeElement)) continue;
    // What was opened stays open.
    const open = [...old.querySelectorAll("details")].map((each) => each.open);
    next.querySelectorAll("details").forEach((each, i) => { each.open ||= open[i] ?? false; });
    old.replaceChildren(...next.childNodes);
    if (old.dataset.swap === undefined) continue;
    old.classList.remove("fresh");
    void old.offsetWidth;
    old.classList.add("fresh");
    changed = true;
  }
  charts();
  if (changed) document.getElementById("said").textContent = "The page has been brought up to date.";
}
