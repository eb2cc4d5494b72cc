// What the server tells by itself: one stream for the page, followed by whoever is shown.
// One, because browsers allow few connections to a server. Where a server has no such stream, or it
// is interrupted, what is followed is asked for instead.

import { connection } from "./api.js";

const ASK_EVERY = 1500;
const STAGES = ["accepted", "text_extraction", "chunking", "chunked", "embedding", "indexing", "complete", "failed", "paused", "resumed", "retried", "cancelled", "superseded", "deleted"];

/**
 * @typedef {Object} Follower
 * @property {(job: object) => void} [onJob] a job's progress, or an event about it
 * @property {(batch: object) => void} [onBatch]
 * @property {(event: object) => void} [onEvent] events alone
 * @property {() => Promise<void>} catchUp asks for the present state: at the beginning, after a gap, and
 *   again and again where there is no stream
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
  const source = new EventSource(url);

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

  source.onopen = () => {
    stopAsking();
    catchUp();
  };
  // Closed is for good: no such stream, or all is over. Otherwise the browser connects again.
  source.onerror = () => {
    ask();
  };
  source.addEventListener("progress", data(follower.onJob));
  source.addEventListener("batch", data(follower.onBatch));
  for (const stage of STAGES) {
    source.addEventListener(`document.${stage}`, data((event) => {
      follower.onJob?.(event);
      follower.onEvent?.(event);
    }));
  }
  signal.addEventListener("abort", () => {
    source.close();
    stopAsking();
  });
  catchUp();
}
