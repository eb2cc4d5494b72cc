// A document's text around a span, which is highlighted; more of it at both ends when it is asked for.

import { api, request } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes, count } from "./format.js";
import { splitAt, takeWindow } from "./spans.js";
import { act, button, empty, failed } from "./widgets.js";

/** Bytes of text that are shown before a span, after it, and more each time. */
const AROUND = 24 * 1024;

/**
 * @param {HTMLElement} place
 * @param {{id: string, jobId: string, span: {start: number, end: number}|null, total?: number, signal: AbortSignal}} what
 */
export async function showText(place, { id, jobId, span, total, signal }) {
  const path = `/api/v2/documents/${id}/text`;
  const size = total ?? Infinity;
  let from = Math.max(0, (span?.start ?? 0) - AROUND);
  let to = Math.min(size, (span?.end ?? 0) + AROUND);

  async function draw(target) {
    const window = await readWindow(path, from, to, signal);
    if (signal.aborted) return;
    const { before, marked, after, start, end } = splitAt(window.bytes, from, span);
    const whole = window.total ?? size;
    const mark = marked && h("mark", { tabindex: -1, id: "span" }, marked);
    const earlier = button("Show earlier text", { onclick: () => widen(earlier, "earlier") });
    const later = button("Show later text", { onclick: () => widen(later, "later") });
    const pre = h("div.text", { tabindex: 0, role: "region", "aria-label": "Text of the document" }, before, mark, after);
    const isPart = start > 0 || end < whole;
    const note = Number.isFinite(whole) ? `Bytes ${count(start)} to ${count(end)} of ${bytes(whole)}` : `From byte ${count(start)}`;
    const lost = span && !marked && h("p.warn-text", null, "The text has no such place: the document may be a newer version now.");
    replace(place, lost, isPart && h("p.muted.small", null, note), start > 0 && earlier, pre, end < whole && window.bytes.length > 0 && later);
    if (target === "span" && mark) {
      mark.scrollIntoView({ block: "center" });
      mark.focus({ preventScroll: true });
    }
  }

  async function widen(element, where) {
    const height = document.documentElement.scrollHeight;
    if (where === "earlier") from = Math.max(0, from - AROUND);
    else to = Math.min(size, to + AROUND);
    await act(element, () => draw(where));
    // What was read stays where it is.
    if (where === "earlier") window.scrollBy(0, document.documentElement.scrollHeight - height);
  }

  replace(place, h("p.muted.loading", { role: "status" }, "Loading…"));
  try {
    await draw("span");
  } catch (error) {
    if (signal.aborted) return;
    replace(place, error.status === 404 ? await noText(jobId) : failed(error, () => showText(place, { id, jobId, span, total, signal })));
  }
}

/** Asks for a range; from a server that sends all instead, no more is read than is needed. */
async function readWindow(path, from, to, signal) {
  if (to <= from) return { bytes: new Uint8Array(), total: to };
  const response = await request(path, { headers: { range: `bytes=${from}-${to - 1}` }, signal });
  const length = Number(response.headers.get("content-length")) || undefined;
  if (response.status === 206) {
    const total = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]) || undefined;
    return { bytes: new Uint8Array(await response.arrayBuffer()), total };
  }
  return { bytes: await takeWindow(response.body.getReader(), from, to), total: length };
}

/** What stands in the place of a text that is not there. */
export async function noText(jobId) {
  const job = await api(`/api/v2/documents/status/${jobId}`).catch(() => null);
  if (job?.failure) return empty("There is no text", `The document could not be read: ${job.failure.message}`);
  return empty("There is no text yet", "The document is still being read. Its history tells how far it is.");
}
