// Pauses between tries: longer and longer, and never all clients at once.

const FIRST = 500;
const LONGEST = 30_000;

/**
 * The pause before the n-th next try (0 first), in milliseconds: half of it is certain, half is chance.
 * @param {number} failures tries that failed in a row
 */
export function pauseAfter(failures, random = Math.random) {
  const full = Math.min(LONGEST, FIRST * 2 ** failures);
  return full / 2 + (full / 2) * random();
}

/** Waits, until `signal` aborts or the browser says that the network is back. */
export function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", stopped);
      resolve();
    };
    const stopped = () => {
      done();
      reject(new DOMException("aborted", "AbortError"));
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) return stopped();
    addEventListener("online", done);
    signal?.addEventListener("abort", stopped);
  });
}
