import { charts, redraw } from "./charts.js";
import { follow } from "./follow.js";
import { keys } from "./keys.js";

// Which colours: the cookie is what the server writes into the next page.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  redraw();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {
    // Without TLS there is no clipboard: select it, so that one key copies.
    getSelection().selectAllChildren(text);
    button.textContent = "Selected: press Ctrl-C";
  }
});

// A link from elsewhere comes without the session's cookie; asked for from here it is there.
const login = document.querySelector("[data-login]");
if (login) {
  const answer = await fetch("/session");
  if (answer.status === 204) location.replace(login.dataset.login);
}

// A form is sent once.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button")) button.disabled = true;
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button")) button.disabled = false;
});

keys();
charts();
if ("live" in document.body.dataset) follow();
