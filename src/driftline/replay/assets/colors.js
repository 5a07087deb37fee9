"use strict";
// What a colour of the style sheet comes to now: a canvas knows nothing of var() and light-dark().
const color = (() => {
  const probe = document.documentElement.appendChild(document.createElement("i"));
  probe.hidden = true;
  return (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
})();
