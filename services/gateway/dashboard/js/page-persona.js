// A conversation with a persona, and those before it.

import { ApiError, api } from "./api.js";
import { notes, passages, sources, withChips } from "./answer.js";
import { conversations, said } from "./conversations.js";
import { beforePaint, h, replace, setText } from "./dom.js";
import { canStreamChats, hasPath } from "./features.js";
import { percent } from "./format.js";
import { noPersonas } from "./page-personas.js";
import { rename } from "./router.js";
import { streamed } from "./streamed.js";
import { button, failed, field, fillWith, heading } from "./widgets.js";

/** Messages that a conversation is opened with, and that go along with the next one in private. */
const SHOWN = 50;
const SENT_ALONG = 20;

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { params, query, signal }) {
  const place = h("div");
  replace(root, h("a.back", { href: "#/personas" }, "All personas"), place);
  void fillWith(place, signal, async () => {
    if (!(await hasPath("/api/v2/personas"))) return noPersonas();
    return page(await api(`/api/v2/personas/${params.id}`, { signal }), query.get("session"), signal);
  });
}

function page(persona, opened, signal) {
  const here = `#/personas/${persona.persona_id}`;
  const path = `/api/v2/personas/${persona.persona_id}`;
  const isPrivate = persona.mode === "private";
  const log = h("div.chat", { role: "log", "aria-label": "Conversation" });
  const message = h("textarea", { rows: 2, placeholder: `Write to ${persona.name}` });
  const send = button("Send", { kind: "primary", type: "submit" });
  const form = h("form.card.ask-form", null, field("Message", message), h("div.actions", null, h("span.hint", null, "Ctrl Enter"), send));
  const fresh = button("New conversation", { icon: "plus", hidden: true, onclick: () => begin() });
  const past = conversations(`${path}/sessions`, { open: (id) => void resume(id), gone: (id) => id === session && begin() }, signal);
  let session;
  let asking;
  // In private nothing is on record, so that it goes along with each message.
  let told = [];

  function at(id) {
    session = id;
    fresh.hidden = !id;
    rename(id ? `${here}?session=${id}` : here);
    past.show(id);
  }

  /** Leaves the conversation that is shown, with an answer that is still being made: it is not kept. */
  function leave() {
    asking?.abort();
    send.disabled = false;
    told = [];
  }

  function begin() {
    leave();
    replace(log);
    at(undefined);
    message.focus();
  }

  async function resume(id) {
    leave();
    at(id);
    await fillWith(replace(log), signal, () => said(`${path}/sessions/${id}?limit=${SHOWN}`, drawn, signal));
    if (signal.aborted || session !== id) return;
    log.lastElementChild?.scrollIntoView({ block: "end" });
    message.focus();
  }

  async function say() {
    const text = message.value.trim();
    if (!text || send.disabled) return;
    message.value = "";
    send.disabled = true;
    const mine = new AbortController();
    asking = mine;
    const reply = replyView();
    log.append(h("div.said.mine", null, text), reply.element);
    reply.element.scrollIntoView({ block: "end" });
    try {
      const body = { message: text, session_id: session };
      if (isPrivate) body.history = told.slice(-SENT_ALONG);
      const answer = await answered(`${path}/chat`, body, reply, AbortSignal.any([signal, mine.signal]));
      told.push({ role: "user", content: text }, { role: "assistant", content: answer.answer });
      reply.done(answer);
      at(answer.session_id);
      void past.load().catch(() => {});
    } catch (error) {
      if (signal.aborted || mine.signal.aborted) return;
      replace(reply.element, notReady(error) ?? failed(error));
      message.value = text;
    } finally {
      if (asking === mine) send.disabled = false;
    }
    message.focus();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void say();
  });
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void say();
  });
  // Without them the page is what it was before there were any.
  void past.load().catch(() => {});
  if (opened) void resume(opened);
  return [heading(persona.name, fresh), h("p.muted", null, persona.description, " ", h("span.tag", null, persona.collection)), log, form, past.element];
}

/** Asks, word by word where the server does that. */
async function answered(path, body, view, signal) {
  const streams = await canStreamChats().catch(() => false);
  return streams ? streamed(path, body, view, signal) : api(path, { json: body, signal });
}

/** A message of the record. */
function drawn({ role, text, citations }) {
  const words = text ?? h("span.muted", null, "Private: not kept");
  if (role === "user") return h("div.said.mine", null, words);
  return h("div.said.theirs", null, h("p", null, text == null ? words : withChips(text, citations)), sources(citations));
}

/** An answer that is being made, and then is there. */
function replyView() {
  const text = h("p.building", null, h("span.muted.loading", null, "…"));
  const element = h("div.said.theirs", { "aria-busy": "true" }, text);
  let words = "";
  const draw = () => element.getAttribute("aria-busy") && setText(text, words);
  return {
    element,
    found() {},
    add(more) {
      words += more;
      beforePaint(draw);
    },
    done(answer) {
      element.removeAttribute("aria-busy");
      replace(element, h("p", null, withChips(answer.answer, answer.citations)), notes(answer.notes), sources(answer.citations), passages(answer.passages));
    },
  };
}

/** It waits until its documents are complete. */
function notReady(error) {
  if (!(error instanceof ApiError) || error.status !== 409) return null;
  const { progress } = error.problem;
  if (progress?.total === 0) return h("p.warn-text", null, "It has no documents yet. ", h("a", { href: "#/" }, "Upload some"), " to its collection.");
  const share = progress?.percentage ?? (progress?.total ? (100 * progress.done) / progress.total : null);
  return h("p.warn-text", null, share == null ? error.message : `Its documents are still being processed: ${percent(share)}. Ask again in a while.`);
}
