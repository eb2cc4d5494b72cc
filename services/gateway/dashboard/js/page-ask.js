// Questions: an answer that builds up, with citations that open the document.

import { api } from "./api.js";
import { asText, freshness, notes, passages, sources, steps, timings, withChips } from "./answer.js";
import { beforePaint, h, replace, setText } from "./dom.js";
import { canStream, queryModes } from "./features.js";
import { icon } from "./icons.js";
import { rename } from "./router.js";
import { streamed } from "./streamed.js";
import { button, copyText, failed, field, heading, select, terminal } from "./widgets.js";

const MODES = {
  basic: "Basic – one search",
  deep: "Deep – several rewrites, reranked",
  super_deep: "Super deep – step by step",
  creative: "Creative – diverse passages",
  private: "Private – nothing leaves this machine",
  uncensored: "Uncensored – a model of its own",
};
const HISTORY = "ragstream.questions";
/** Questions that are remembered. */
const REMEMBERED = 30;

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { query, signal }) {
  const question = h("textarea", { rows: 3, placeholder: "What would you like to know from your documents?", value: query.get("q") ?? "" });
  const collection = h("input", { type: "text", placeholder: "All", list: "collections", autocomplete: "off", value: query.get("collection") ?? "" });
  const topK = h("input", { type: "number", min: 1, max: 1000, value: query.get("top_k") ?? 8 });
  const mode = select([["basic", MODES.basic]], {});
  const send = button("Ask", { icon: "ask", kind: "primary", type: "submit" });
  const stop = button("Stop", { icon: "stop", hidden: true });
  const place = h("section.answer-place", { "aria-label": "Answer" });
  const past = h("section.history", { "aria-label": "Earlier questions" });
  const collections = h("datalist", { id: "collections" });
  let asking;

  const form = h(
    "form.card.ask-form",
    null,
    field("Question", question),
    h("div.form-row", null, field("Collection", collection), field("Passages", topK), field("Mode", mode), h("div.actions", null, h("span.hint", null, "Ctrl Enter"), stop, send)),
    collections,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void ask();
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void ask();
  });
  stop.addEventListener("click", () => asking?.abort());
  signal.addEventListener("abort", () => asking?.abort());

  async function ask() {
    const text = question.value.trim();
    if (!text) return question.focus();
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    const body = { question: text, top_k: Number(topK.value) || 8, mode: mode.value };
    if (collection.value.trim()) body.collection = collection.value.trim();
    rename(`#/ask?${new URLSearchParams({ q: text, ...(body.collection && { collection: body.collection }) })}`);
    const view = answerView();
    replace(place, view.element);
    stop.hidden = false;
    try {
      const response = await answer(body, view, mine.signal);
      view.done(response);
      remember({ question: text, collection: body.collection, response });
      drawHistory();
    } catch (error) {
      if (!mine.signal.aborted) replace(place, failed(error, ask));
      else if (!signal.aborted && asking === mine) view.stopped();
    } finally {
      if (asking === mine) stop.hidden = true;
    }
    return undefined;
  }

  function drawHistory() {
    const list = history();
    const items = list.map((entry) =>
      h("li", null, h("button.link", { type: "button", onclick: () => again(entry) }, entry.question), entry.collection && h("span.muted", null, ` in ${entry.collection}`)),
    );
    const forget = () => {
      sessionStorage.removeItem(HISTORY);
      drawHistory();
    };
    const clear = button("Clear", { onclick: forget });
    past.hidden = list.length === 0;
    replace(past, [h("div.card-head", null, h("h2", null, "Earlier questions"), h("span.spacer"), clear), h("ul", null, items)]);
  }

  function again(entry) {
    question.value = entry.question;
    collection.value = entry.collection ?? "";
    const view = answerView();
    replace(place, view.element);
    view.done(entry.response);
    window.scrollTo(0, 0);
  }

  replace(root, heading("Ask"), form, place, past);
  if (history().length === 0 && !query.get("q")) replace(place, firstSteps());
  drawHistory();
  question.focus();
  fillModes(mode, query.get("mode"));
  fillCollections(collections);
  const last = history().find((entry) => entry.question === query.get("q"));
  // Back from a citation: the answer is still there.
  if (last) again(last);
  else if (query.get("q")) void ask();
}

async function fillModes(mode, wanted) {
  const known = await queryModes().catch(() => ["basic"]);
  replace(mode, known.map((name) => h("option", { value: name }, MODES[name] ?? name)));
  if (wanted && known.includes(wanted)) mode.value = wanted;
}

async function fillCollections(list) {
  const answer = await api("/api/v2/documents?limit=200").catch(() => ({ documents: [] }));
  const names = [...new Set(answer.documents.map((one) => one.collection))].sort();
  replace(list, names.map((name) => h("option", { value: name })));
}

/** Asks, word by word where the server does that. */
async function answer(body, view, signal) {
  const streams = await canStream().catch(() => false);
  if (!streams) return api("/api/v2/query", { json: body, signal });
  return streamed("/api/v2/query", body, view, signal);
}

/** An answer that is being made, and then is there. */
function answerView() {
  const text = h("div.answer-text", { "aria-live": "polite", "aria-busy": "true" }, h("span.loading.muted", null, "Searching…"));
  const way = h("div");
  const rest = h("div");
  const element = h("article.card.answer", null, way, text, rest);
  const taken = [];
  let words = "";
  const draw = () => text.getAttribute("aria-busy") && setText(text, words);
  return {
    element,
    found(list) {
      if (!words) replace(text, h("span.loading.muted", null, `Reading ${list.length} passages…`));
    },
    step(step) {
      taken.push(step);
      replace(way, steps(taken, []));
    },
    add(more) {
      words += more;
      beforePaint(draw);
    },
    stopped() {
      text.removeAttribute("aria-busy");
      replace(text, words, h("p.muted", null, "Stopped."));
    },
    done(response) {
      text.removeAttribute("aria-busy");
      replace(text, !response.answered && h("span.badge.warn", null, "Not answered by the documents"), h("p", null, withChips(response.answer, response.citations)));
      replace(way, steps(response.steps, response.citations));
      const copy = button("Copy answer", { icon: "copy", onclick: () => copyText(asText(response)) });
      replace(rest, notes(response.notes), sources(response.citations), h("div.actions", null, copy), freshness(response.freshness), timings(response.timings, response.method), passages(response.passages));
    },
  };
}

function history() {
  try {
    return JSON.parse(sessionStorage.getItem(HISTORY)) ?? [];
  } catch {
    return [];
  }
}

function remember(entry) {
  const others = history().filter((one) => one.question !== entry.question || one.collection !== entry.collection);
  try {
    sessionStorage.setItem(HISTORY, JSON.stringify([entry, ...others].slice(0, REMEMBERED)));
  } catch {
    // A full storage: the question is not remembered.
  }
}

function firstSteps() {
  const command = `curl ${window.location.origin}/api/v2/query \\\n     -H 'content-type: application/json' \\\n     -d '{"question": "What was decided?", "top_k": 8}'`;
  return h("div.empty", null, h("p.empty-title", null, icon("ask"), " Ask anything that your documents say"), h("p.muted", null, "Each sentence of an answer is cited, and a click on its number opens the document at that place. From a terminal:"), terminal(command));
}
