// Getting around without a mouse: a palette of pages and actions, and keys.

import { h, replace } from "./dom.js";
import { open } from "./dialog.js";
import { go, location } from "./router.js";
import { nextTheme } from "./theme.js";

const SHORTCUTS = [
  ["Ctrl K", "Search pages and actions"],
  ["g then u, a, d, l, p, s", "Go to Upload, Ask, Documents, Dead letters, Personas, System"],
  ["/", "To the search or question of this page"],
  ["Ctrl Enter", "Ask the question"],
  ["t", "Next theme"],
  ["?", "This list"],
  ["Esc", "Close what is open"],
];
const GO = { u: "#/", a: "#/ask", d: "#/documents", l: "#/dead-letters", p: "#/personas", s: "#/system" };
/** How long `g` waits for the letter after it, in milliseconds. */
const SEQUENCE = 1500;

let actions = [];

/** Shows what keys do. */
export function openShortcuts() {
  open("Keyboard shortcuts", h("dl.shortcuts", null, SHORTCUTS.map(([keys, text]) => [h("dt", null, h("kbd", null, keys)), h("dd", null, text)])));
}

/** Shows the palette: type, choose with the arrows, Enter. */
export function openPalette() {
  let found = [];
  let chosen = 0;
  const list = h("ul.palette-list", { role: "listbox", id: "palette-list", "aria-label": "Pages and actions" });
  const input = h("input", { type: "text", role: "combobox", "aria-label": "Search pages and actions", "aria-expanded": "true", "aria-controls": "palette-list", placeholder: "Go to a page, or open a document by its id", autocomplete: "off" });
  const dialog = open("Go to", input, list);
  const choose = (action) => {
    dialog.close();
    action.run();
  };
  const draw = () => {
    const text = input.value.trim();
    found = actions.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
    if (/^[0-9a-f-]{36}$/.test(text)) found.unshift({ name: `Open document ${text}`, run: () => go(`#/documents/${text}`) });
    else if (text) found.push({ name: `Ask “${text}”`, run: () => go(`#/ask?q=${encodeURIComponent(text)}`) });
    chosen = Math.min(chosen, Math.max(0, found.length - 1));
    replace(list, found.map((action, i) => h("li", { role: "option", id: `palette-${i}`, "aria-selected": String(i === chosen), onclick: () => choose(action) }, action.name)));
    input.setAttribute("aria-activedescendant", `palette-${chosen}`);
  };
  input.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % found.length;
      draw();
    } else if (event.key === "Enter" && found[chosen]) {
      event.preventDefault();
      choose(found[chosen]);
    }
  });
  draw();
  input.focus();
}

/** Listens for keys; `pages` are those of the navigation. */
export function listen(pages) {
  actions = [
    ...pages.map(([path, name]) => ({ name, run: () => go(`#${path}`) })),
    { name: "Audit of redrives", run: () => go("#/dead-letters/audit") },
    { name: "Next theme", run: nextTheme },
    { name: "Keyboard shortcuts", run: openShortcuts },
    { name: "API documentation", run: () => window.open("/docs", "_blank", "noopener") },
  ];
  let pending = 0;
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) openPalette();
      return;
    }
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (Date.now() - pending < SEQUENCE && GO[event.key]) {
      pending = 0;
      go(GO[event.key]);
    } else if (event.key === "g") pending = Date.now();
    else if (event.key === "?") openShortcuts();
    else if (event.key === "t") nextTheme();
    else if (event.key === "/") toSearch(event);
  });
}

function toSearch(event) {
  const target = document.querySelector("main input[type=search], main textarea");
  if (target) {
    event.preventDefault();
    target.focus();
  } else if (location().path !== "/ask") {
    event.preventDefault();
    go("#/ask");
  }
}
