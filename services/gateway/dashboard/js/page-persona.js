// A conversation with a persona.

import { ApiError, api } from "./api.js";
import { passages, sources, withChips } from "./answer.js";
import { h, replace } from "./dom.js";
import { hasPath } from "./features.js";
import { percent } from "./format.js";
import { noPersonas } from "./page-personas.js";
import { button, failed, field, fillWith, heading } from "./widgets.js";

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { params, signal }) {
  const place = h("div");
  replace(root, h("a.back", { href: "#/personas" }, "All personas"), place);
  void fillWith(place, signal, async () => {
    if (!(await hasPath("/api/v2/personas"))) return noPersonas();
    return page(await api(`/api/v2/personas/${params.id}`, { signal }), signal);
  });
}

function page(persona, signal) {
  const path = `/api/v2/personas/${persona.persona_id}/chat`;
  const log = h("div.chat", { role: "log", "aria-label": "Conversation" });
  const message = h("textarea", { rows: 2, placeholder: `Write to ${persona.name}` });
  const send = button("Send", { kind: "primary", type: "submit" });
  const form = h("form.card.ask-form", null, field("Message", message), h("div.actions", null, h("span.hint", null, "Ctrl Enter"), send));
  let session;

  async function say() {
    const text = message.value.trim();
    if (!text || send.disabled) return;
    message.value = "";
    send.disabled = true;
    const reply = h("div.said.theirs", null, h("span.muted.loading", null, "…"));
    log.append(h("div.said.mine", null, text), reply);
    reply.scrollIntoView({ block: "end" });
    try {
      const answer = await api(path, { json: { message: text, session_id: session }, signal });
      session = answer.session_id;
      replace(reply, h("p", null, withChips(answer.answer, answer.citations)), sources(answer.citations), passages(answer.passages));
    } catch (error) {
      if (signal.aborted) return;
      replace(reply, notReady(error) ?? failed(error));
      message.value = text;
    } finally {
      send.disabled = false;
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
  return [heading(persona.name), h("p.muted", null, persona.description, " ", h("span.tag", null, persona.collection)), log, form];
}

/** It waits until its documents are complete. */
function notReady(error) {
  if (!(error instanceof ApiError) || error.status !== 409) return null;
  const { progress } = error.problem;
  const share = progress?.percentage ?? (progress?.total ? (100 * progress.done) / progress.total : null);
  return h("p.warn-text", null, share == null ? error.message : `Its documents are still being processed: ${percent(share)}. Ask again in a while.`);
}
