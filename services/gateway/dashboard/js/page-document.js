// A document: its text, opened at a passage; what it is; its chunks; what happened to it.

import { api } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes, count, duration, plural, shortId } from "./format.js";
import { icon } from "./icons.js";
import { deleteDocument } from "./page-documents.js";
import { go } from "./router.js";
import { parseSpan } from "./spans.js";
import { noText, showText } from "./textview.js";
import { act, ago, badge, button, empty, facts, failed, fillWith, heading, stageName } from "./widgets.js";

const CHUNKS = 50;
const TABS = { text: "Text", facts: "Facts", chunks: "Chunks", history: "History" };

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { params, query, signal }) {
  const place = h("div");
  replace(root, h("a.back", { href: "#/documents" }, "All documents"), place);
  void fillWith(place, signal, async () => page(await api(`/api/v2/documents/${params.id}`, { signal }), query, signal));
}

function page(document, query, signal) {
  const id = document.document_id;
  const tab = query.get("tab") in TABS ? query.get("tab") : "text";
  const pageNumber = Number(query.get("page")) || null;
  const remove = button("Delete", {
    icon: "trash",
    onclick: async () => {
      if (await deleteDocument(document, remove)) go("#/documents");
    },
  });
  const isPdf = document.content_type === "application/pdf";
  const original = h(
    "a.button",
    { href: `${document.links.content}${isPdf ? "?inline=true" : ""}${isPdf && pageNumber ? `#page=${pageNumber}` : ""}`, target: "_blank", rel: "noopener" },
    icon("link"),
    h("span", null, isPdf && pageNumber ? `Original, page ${pageNumber}` : "Original"),
  );
  const summary = [document.content_type, bytes(document.size_bytes), document.extracted?.pages && plural(document.extracted.pages, "page"), `version ${document.version}`];
  const tabs = Object.entries(TABS).map(([name, text]) => h("a.tab", { href: `#/documents/${id}${name === "text" ? "" : `?tab=${name}`}`, "aria-current": name === tab && "page" }, text));
  const content = h("div.stack");
  const show = { text: textTab, facts: factsTab, chunks: chunksTab, history: historyTab }[tab];
  show(content, document, query, signal);
  return [
    heading(document.filename, original, remove),
    h("p.muted", null, h("span.tag", null, document.collection), " ", summary.filter(Boolean).join(" · "), " · ", ago(document.updated_at)),
    h("nav.tabs", { "aria-label": "About this document" }, tabs),
    content,
  ];
}

function textTab(place, document, query, signal) {
  // What has not been read has no text to ask for.
  if (!document.extracted) {
    void fillWith(place, signal, () => noText(document.job_id));
    return;
  }
  const what = { id: document.document_id, jobId: document.job_id, span: parseSpan(query.get("span")), total: document.extracted?.text_bytes, signal };
  // The place must be on the page before a span in it can be scrolled to.
  queueMicrotask(() => showText(place, what));
}

function factsTab(place, document) {
  const { extracted } = document;
  const metadata = Object.entries(document.metadata);
  replace(
    place,
    h(
      "div.columns",
      null,
      card(
        "Document",
        facts([
          ["Document id", h("code", null, document.document_id)],
          ["External id", document.external_id],
          ["Collection", document.collection],
          ["Type", document.content_type],
          ["Size", `${bytes(document.size_bytes)} (${plural(document.size_bytes, "byte")})`],
          ["SHA-256", h("code", null, document.sha256)],
          ["Version", document.version],
          ["Uploaded", ago(document.created_at)],
          ["This version", ago(document.updated_at)],
        ]),
      ),
      card("Metadata", metadata.length ? facts(metadata.map(([name, value]) => [name, valueText(value)])) : h("p.muted", null, "None was given.")),
      extracted && card("Read from the file", facts([["Title", extracted.title], ["Pages", extracted.pages], ["Text", bytes(extracted.text_bytes)], ["Extractor", extracted.extractor], ...Object.entries(extracted.properties).filter(([name]) => name !== "contents").map(([name, value]) => [name, valueText(value)])])),
      extracted?.properties.contents && card(`Contents (${count(extracted.properties.contents_total ?? extracted.properties.contents.length)})`, contents(document, extracted.properties.contents)),
    ),
  );
}

function card(title, ...children) {
  return h("section.card", null, h("h2", null, title), children);
}

function valueText(value) {
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return h("ul.plain", null, value.map((one) => h("li", null, String(one))));
  return typeof value === "object" && value !== null ? h("pre.json", { tabindex: 0 }, JSON.stringify(value, null, 2)) : String(value);
}

/** Files of an archive or a mail: each opens at its own text. */
function contents(document, list) {
  const item = (one) => {
    const href = one.span && `#/documents/${document.document_id}?span=${one.span[0]}-${one.span[1]}`;
    return h("li", null, href ? h("a", { href }, one.path) : one.path, one.size_bytes != null && h("span.muted", null, ` ${bytes(one.size_bytes)}`), one.failure && h("p.bad-text.small", null, one.failure.message));
  };
  return h("ul.plain", null, list.map(item));
}

function chunksTab(place, document, _query, signal) {
  const body = h("tbody");
  const head = ["Position", "Status", "Bytes", "Page", "Headings", "Tokens", "Record in the log", "Changed"];
  const table = h("table", null, h("caption.visually-hidden", null, "Chunks"), h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))), body);
  const lineage = h("div");
  const foot = h("div.foot");

  async function load(path) {
    const page = await api(path, { signal });
    replace(lineage, facts([["Bytes (SHA-256)", h("code", null, shortId(page.lineage.blob_sha256))], ["Extractor", page.lineage.extractor], ["Chunker", page.lineage.chunker], ["Model", page.chunks[0]?.model], ["Version", page.version]]));
    body.append(...page.chunks.map((chunk) => chunkRow(document, chunk)));
    const more = button("Show more", { onclick: () => act(more, () => load(page.next)) });
    replace(foot, page.next && more, !body.hasChildNodes() && empty("No chunks", "The document is not cut into chunks yet, or it failed before."));
  }
  replace(place, h("section.card", { "aria-label": "Lineage" }, lineage), h("div.table-wrap", { tabindex: 0, role: "region", "aria-label": "Chunks" }, table), foot);
  load(`/api/v2/documents/${document.document_id}/chunks?limit=${CHUNKS}`).catch((error) => !signal.aborted && replace(foot, failed(error)));
}

function chunkRow(document, chunk) {
  const { span, record } = chunk;
  const href = `#/documents/${document.document_id}?span=${span.start}-${span.end}${chunk.page ? `&page=${chunk.page}` : ""}`;
  return h(
    "tr",
    { title: chunk.chunk_id },
    h("td", null, chunk.position),
    h("td", null, badge(chunk.status), chunk.failure && h("p.bad-text.small", null, chunk.failure.message)),
    h("td", null, h("a", { href }, `${count(span.start)}–${count(span.end)}`)),
    h("td", null, chunk.page ?? "–"),
    h("td", null, chunk.headings.join(" › ") || "–"),
    h("td", null, chunk.tokens),
    h("td", null, record ? h("code", null, `${record.topic}/${record.partition}/${record.offset}`) : "–"),
    h("td", null, ago(chunk.updated_at)),
  );
}

function historyTab(place, document, _query, signal) {
  void fillWith(place, signal, async () => {
    const { jobs } = await api(`/api/v2/jobs?document_id=${document.document_id}&limit=20`, { signal });
    const full = await Promise.all(jobs.map((job) => api(`/api/v2/documents/status/${job.job_id}`, { signal })));
    return full.length ? full.map(jobCard) : empty("No job is on record", "Records of jobs that are over can be removed; the document stays.");
  });
}

function jobCard(job) {
  const known = [{ stage: "accepted", at: job.created_at }, { stage: "text_extraction", at: job.started_at }, { stage: job.stage, at: job.completed_at }];
  const steps = job.history ?? known.filter(({ at }) => at);
  return h(
    "section.card",
    null,
    h("div.card-head", null, h("h2", null, `Version ${job.version}`), badge(job.stage), h("span.spacer"), h("code.muted", { title: "Job" }, job.job_id)),
    job.failure && h("p.bad-text", null, `${job.failure.message} (${job.failure.class})`),
    h("ol.timeline", null, steps.map((step, i) => stepItem(step, steps[i - 1]))),
    h("p.muted.small", null, `${plural(job.attempts, "attempt")} to read it · ${count(job.chunks.done)} of ${plural(job.chunks.total, "chunk")}`),
  );
}

function stepItem({ stage, at }, before) {
  const after = before && (Date.parse(at) - Date.parse(before.at)) / 1000;
  return h("li", null, badge(stage, stageName(stage)), " ", ago(at), after != null && h("span.muted", null, ` after ${after < 10 ? `${after.toFixed(1)} s` : duration(after)}`));
}
