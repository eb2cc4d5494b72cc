// What the server tells by itself: one stream for the page, followed by whoever is shown.
// One, because browsers allow few connections to a server. Where a server has no such stream, or it
// is interrupted, what is followed is asked for instead.

import { connection } from "./api.js";

/** Pause between two questions where there is no stream, in milliseconds. */
const ASK_EVERY = 1500;
/** After which a stream is tried again that the server refused, in milliseconds. */
const OPEN_AGAIN = 30_000;
const STAGES = ["accepted", "text_extraction", "chunking", "chunked", "embedding", "indexing", "complete", "failed", "paused", "resumed", "retried", "cancelled", "superseded", "deleted"];

/**
 * @typedef {Object} Follower
 * @property {(job: object) => void} [onJob] a job's progress, or an event about it
 * @property {(batch: object) => void} [onBatch]
 * @property {() => Promise<void>} catchUp asks for the present state: at the beginning, after a gap, and
 *   again and again where there is no stream
 * @property {() => boolean} [isOver] whether nothing more is to come
 */

/**
 * Follows a stream of events until `signal` aborts or the server ends it.
 * @param {string} url
 * @param {Follower} follower
 * @param {AbortSignal} signal
 */
export function follow(url, follower, signal) {
  let asking;
  let busy = false;
  let source;
  let opening;

  const catchUp = async () => {
    if (busy || signal.aborted || !connection.online) return;
    busy = true;
    // What goes wrong is told by the connection, and asked again.
    await follower.catchUp().catch(() => {});
    busy = false;
  };
  const ask = () => (asking ??= setInterval(catchUp, ASK_EVERY));
  const stopAsking = () => {
    clearInterval(asking);
    asking = undefined;
  };
  const data = (then) => (message) => then?.(JSON.parse(message.data));

  function open() {
    source = new EventSource(url);
    source.onopen = () => {
      stopAsking();
      catchUp();
    };
    source.onerror = () => {
      ask();
      // Otherwise the browser connects again by itself.
      if (source.readyState === EventSource.CLOSED && !follower.isOver?.()) opening = setTimeout(open, OPEN_AGAIN);
    };
    source.addEventListener("progress", data(follower.onJob));
    source.addEventListener("batch", data(follower.onBatch));
    for (const stage of STAGES) source.addEventListener(`document.${stage}`, data(follower.onJob));
  }

  signal.addEventListener("abort", () => {
    source.close();
    clearTimeout(opening);
    stopAsking();
  });
  open();
  catchUp();
}
