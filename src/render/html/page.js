
"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  for (const element of all(".js")) element.hidden = false;

  const steps = all(".step");
  const find = one("#find");
  const boxes = all(".chip input[type=checkbox]");

  // Boxes hide by style alone; here they only count.
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const off = new Set(boxes.filter((box) => !box.checked).map((box) => box.id.slice(5)));
    let count = 0;
    for (const step of steps) {
      const key = step.dataset.key.toLowerCase();
      step.hidden = !words.every((word) => key.includes(word));
      if (!step.hidden && !off.has(step.dataset.kind)) count += 1;
    }
    one("#shown").textContent = `${count} of ${steps.length}`;
    one("#none").hidden = count > 0;
  };
  const toggle = () => {
    const folded = steps.length > 0 ? steps : all(".run, .fold");
    const open = folded.some((details) => !details.open);
    for (const details of folded) details.open = open;
  };
  // The next or the previous one of what can be stepped through, from where the reader is.
  const move = (way) => {
    const places = all(".step > summary, .run > summary, .turn").filter((place) => place.checkVisibility());
    const at = places.indexOf(document.activeElement.closest("summary, .turn"));
    const next = at < 0 ? (way > 0 ? 0 : places.length - 1) : at + way;
    if (places[next]) {
      places[next].focus();
      places[next].scrollIntoView({ block: "nearest" });
    }
  };
  const side = () => {
    const isSide = one("#side")?.checked;
    const box = one(isSide ? "#inline" : "#side");
    if (box) box.checked = true;
  };

  if (find) {
    find.addEventListener("input", filter);
    for (const box of boxes) box.addEventListener("change", filter);
    one("#all").addEventListener("click", toggle);
    // A browser that reloads keeps what was typed.
    filter();
  }
  const keys = {
    "/": () => find?.focus(),
    n: () => move(1),
    p: () => move(-1),
    o: toggle,
    s: side,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === find) {
      if (event.key === "Escape") {
        find.value = "";
        filter();
        find.blur();
      }
      return;
    }
    const action = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
