// An answer with its citations, passages, timings and freshness, as questions and chats show them.

import { h } from "./dom.js";
import { count, millis, plural } from "./format.js";
import { icon } from "./icons.js";

/** Where a document opens at a passage. */
function passageLink({ document_id, span, page }) {
  return `#/documents/${document_id}?span=${span.start}-${span.end}${page ? `&page=${page}` : ""}`;
}

/**
 * An answer's text with `[n]` as links to what they cite.
 * @param {string} text
 * @param {object[]} citations
 */
export function withChips(text, citations) {
  const byNumber = new Map(citations.map((citation) => [String(citation.number), citation]));
  return text.split(/(\[\d+\])/).map((part) => {
    const citation = byNumber.get(/^\[(\d+)\]$/.exec(part)?.[1]);
    if (!citation) return part;
    const label = `Citation ${citation.number}: ${citation.filename}${citation.page ? `, page ${citation.page}` : ""}`;
    return h("a.chip", { href: passageLink(citation), title: citation.quote, "aria-label": label }, part);
  });
}

/** What backs the answer, with the words that are quoted. */
export function sources(citations) {
  if (citations.length === 0) return null;
  return h(
    "ol.sources",
    { "aria-label": "Sources" },
    citations.map((citation) =>
      h(
        "li",
        null,
        h("span.source-number", { "aria-hidden": "true" }, citation.number),
        h(
          "div",
          null,
          h("a", { href: passageLink(citation) }, citation.filename),
          citation.page && h("span.muted", null, ` · page ${citation.page}`),
          h("blockquote", null, citation.quote),
        ),
      ),
    ),
  );
}

/** What else was searched for on the way: other wordings, or parts of the question with their answers. */
export function steps(list, citations) {
  if (!list?.length) return null;
  return h(
    "ol.steps",
    { "aria-label": "Steps" },
    list.map(({ question, answer, passages: found }) =>
      h("li", null, h("span.muted", null, `${question} · ${plural(found, "passage")}`), answer && h("p", null, withChips(answer, citations))),
    ),
  );
}

/** What a reader should know of how it was made. */
export function notes(list) {
  return list?.length ? h("ul.notes", { "aria-label": "Notes" }, list.map((note) => h("li", null, note))) : null;
}

/** The passages that were found, with where each leg of the search had them. */
export function passages(list) {
  if (list.length === 0) return null;
  return h(
    "details.passages",
    null,
    h("summary", null, `${plural(list.length, "passage")} found`),
    h("ol", null, list.map(passageItem)),
  );
}

function passageItem(passage, i) {
  const place = [...(passage.headings ?? [])].join(" › ");
  return h(
    "li.passage",
    null,
    h(
      "div.passage-head",
      null,
      h("span.muted", null, `${i + 1}.`),
      h("a", { href: passageLink(passage) }, passage.filename),
      passage.page && h("span.muted", null, `page ${passage.page}`),
      h("span.spacer"),
      leg("Meaning", "cosine similarity", passage.legs.vector),
      leg("Keywords", "BM25", passage.legs.keyword),
      h("span.leg", { title: "Both legs together: only the order means something" }, `Score ${passage.score.toFixed(3)}`),
    ),
    place && h("p.muted.small", null, place),
    h("p.passage-text", null, passage.text),
  );
}

function leg(name, measure, found) {
  if (!found) return h("span.leg.off", { title: `Not among the best by ${measure}` }, `${name} –`);
  return h("span.leg", { title: `Rank and score by ${measure}` }, `${name} #${found.rank} · ${found.score.toFixed(3)}`);
}

const STEPS = { wait: "waiting for your upload", embed: "reading the question", vector: "search by meaning", keyword: "search by keywords", fusion: "joining both", answer: "writing the answer" };

/** Where the time went, in words. */
export function timings(times, method) {
  if (!times) return null;
  const steps = Object.entries(STEPS)
    .filter(([name]) => times[name] >= 0.05)
    .map(([name, text]) => `${text} ${millis(times[name])}`);
  const how = method === "extractive" ? "Quoted from the documents" : method ? `Answered (${method})` : "Answered";
  return h("p.muted.small", null, `${how} in ${millis(times.total)}${steps.length ? `: ${steps.join(", ")}.` : "."}`);
}

/** How fresh it is, in words. */
export function freshness(fresh) {
  if (!fresh) return null;
  const applied = Object.values(fresh.applied ?? {}).reduce((sum, offset) => sum + offset, 0);
  const text = fresh.lag > 0 ? `${plural(fresh.lag, "newer record")} not searched yet: ask again in a moment for those.` : "Up to date: everything that was processed is searched.";
  const missing = fresh.token_applied === false ? " Your upload is not among it yet." : "";
  return h("p.fresh", { title: `${count(applied)} records of the log applied` }, icon(fresh.lag > 0 ? "alert" : "check"), text + missing);
}

/** An answer as text with its sources, for copying. */
export function asText(response) {
  const lines = response.citations.map((c) => `[${c.number}] ${c.filename}${c.page ? `, page ${c.page}` : ""}: “${c.quote}”`);
  return [response.answer, ...lines].join("\n");
}
