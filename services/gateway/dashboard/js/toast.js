// Short messages in a corner, read out by screen readers.

import { h } from "./dom.js";

/** How long a message stays, in milliseconds; a failure has more to read. */
const STAYS = { good: 4000, bad: 9000 };

const region = h("div.toasts", { role: "status", "aria-live": "polite" });

/** The place of the messages: once on the page. */
export function toasts() {
  return region;
}

/**
 * @param {string} text
 * @param {"good"|"bad"} [tone]
 */
export function toast(text, tone = "good") {
  const close = h("button.icon-button", { type: "button", "aria-label": "Dismiss", onclick: () => message.remove() }, "×");
  const message = h("div", { class: `toast ${tone}` }, h("span", null, text), close);
  region.append(message);
  setTimeout(() => message.remove(), STAYS[tone]);
}
