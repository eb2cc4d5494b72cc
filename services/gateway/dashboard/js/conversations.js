// The past conversations with a persona: go on with one, or delete it.

import { api } from "./api.js";
import { confirm } from "./dialog.js";
import { h, replace } from "./dom.js";
import { plural } from "./format.js";
import { toast } from "./toast.js";
import { act, ago, button } from "./widgets.js";

/** Conversations of a page of the list. */
const PAGE = 20;

/**
 * The list; empty, it is hidden.
 * @param {string} path where they are, in the API
 * @param {{open: (id: string) => void, gone: (id: string) => void}} on
 * @param {AbortSignal} signal
 */
export function conversations(path, on, signal) {
  const list = h("ul.conversations");
  const more = button("Show more", { hidden: true, onclick: () => act(more, () => load(more.dataset.next)) });
  const element = h("section.history", { "aria-label": "Conversations", hidden: true }, h("h2", null, "Conversations"), list, h("div.actions", null, more));
  let current;

  /** Reads a page of them: the first, in the place of those that are shown, or the next. */
  async function load(next) {
    const { sessions, next: after } = await api(next ?? `${path}?limit=${PAGE}`, { signal });
    const items = sessions.map(item);
    if (next) list.append(...items);
    else replace(list, items);
    more.hidden = !after;
    more.dataset.next = after ?? "";
    element.hidden = list.children.length === 0;
    mark();
  }

  function item(session) {
    const title = h("button.link", { type: "button", onclick: () => on.open(session.session_id) }, session.title ?? "Untitled");
    const remove = button("Delete this conversation", { icon: "trash", iconOnly: true, onclick: () => removed(session, remove) });
    const size = h("span.muted.small", null, `${plural(session.message_count, "message")} · `, ago(session.updated_at));
    return h("li", { "data-session": session.session_id }, title, size, h("span.spacer"), remove);
  }

  async function removed(session, remove) {
    const text = h("p", null, "What was said in it is gone.");
    if (!(await confirm({ title: "Delete this conversation?", text, action: "Delete", danger: true }))) return;
    await act(remove, async () => {
      await api(`${path}/${session.session_id}`, { method: "DELETE", signal });
      toast("The conversation is deleted");
      on.gone(session.session_id);
      await load();
    });
  }

  function mark() {
    for (const one of list.children) one.firstElementChild.setAttribute("aria-current", String(one.dataset.session === current));
  }

  return {
    element,
    load,
    /** Shows which of them is open. */
    show(id) {
      current = id;
      mark();
    },
  };
}

/**
 * What was said in one, oldest first, with a button for what was said before it.
 * @param {string} link of the API
 * @param {(message: object) => HTMLElement} draw
 */
export async function said(link, draw, signal) {
  const { messages, next } = await api(link, { signal });
  const shown = messages.map(draw);
  if (!next) return shown;
  const earlier = button("Earlier messages", {
    onclick: () => act(earlier, async () => earlier.replaceWith(...(await said(next, draw, signal)))),
  });
  return [earlier, ...shown];
}
