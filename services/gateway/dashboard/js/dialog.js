// Modal dialogs: the browser's own, so that focus, Escape and the backdrop are right.

import { h } from "./dom.js";
import { button } from "./widgets.js";

/**
 * Opens a dialog; it is gone once it is closed.
 * @param {string} title
 * @param {...any} children
 * @returns {HTMLDialogElement}
 */
export function open(title, ...children) {
  const id = `d${Math.random().toString(36).slice(2, 9)}`;
  const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), children);
  // A click on the backdrop is a click on the dialog itself.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something is done.
 * @param {{title: string, text: any, action: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, action, danger = false }) {
  return new Promise((resolve) => {
    let agreed = false;
    const agree = () => {
      agreed = true;
      dialog.close();
    };
    const dialog = open(
      title,
      h("div.dialog-body", null, text),
      h(
        "div.dialog-actions",
        null,
        button("Cancel", { onclick: () => dialog.close(), autofocus: danger }),
        button(action, { kind: danger ? "danger" : "primary", onclick: agree }),
      ),
    );
    dialog.addEventListener("close", () => resolve(agreed));
  });
}
