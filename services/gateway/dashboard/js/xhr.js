// Requests with upload progress, which fetch does not tell.

/** @typedef {{status: number, header: (name: string) => string|null, text: string}} Answer */

/**
 * Resolves with any answer; rejects where there is none (TypeError) or `signal` aborts (AbortError).
 * @param {{method: string, url: string, headers?: Object<string, string>, body?: any, signal?: AbortSignal, onSent?: (bytes: number) => void}} request
 * @returns {Promise<Answer>}
 */
export function send({ method, url, headers = {}, body, signal, onSent }) {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(new DOMException("aborted", "AbortError"));
    if (signal?.aborted) return stopped();
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onSent) xhr.upload.onprogress = (event) => onSent(event.loaded);
    const abort = () => xhr.abort();
    signal?.addEventListener("abort", abort);
    xhr.onloadend = () => signal?.removeEventListener("abort", abort);
    xhr.onload = () =>
      resolve({ status: xhr.status, header: (name) => xhr.getResponseHeader(name), text: xhr.responseText });
    xhr.onerror = () => reject(new TypeError("the connection broke off"));
    xhr.onabort = stopped;
    xhr.send(body);
  });
}

/** The problem that an answer holds, as far as it says. */
export function problemOf({ status, text }) {
  try {
    return { status, ...JSON.parse(text) };
  } catch {
    return { status, detail: `the server answered ${status}` };
  }
}
