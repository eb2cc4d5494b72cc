// A client of tus 1.0: a file goes up in pieces, and goes on where it stopped, after a lost
// connection as after a reload of the page. The address of each upload is remembered for that.

import { pauseAfter, wait } from "./backoff.js";
import { problemOf, send } from "./xhr.js";

/** Bytes of a piece: what is lost at most when a connection breaks. */
export const PIECE = 8 * 1024 * 1024;
const VERSION = { "Tus-Resumable": "1.0.0" };
/** Failures in a row after which an upload is given up while the server answers: 7 tries take about a minute. */
const MAX_FAILURES = 7;
const PREFIX = "ragstream.tus.";

/** The server refused the file: trying again would not help. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

/** What tells a file from others without reading it. */
export function fingerprint(file, path = file.name) {
  return `${path}|${file.size}|${file.lastModified}`;
}

/** `Upload-Metadata`: keys with their values in base64 of UTF-8. */
export function encodeMetadata(metadata) {
  return Object.entries(metadata)
    .filter(([, value]) => value != null && value !== "")
    .map(([key, value]) => `${key} ${btoa(String.fromCharCode(...new TextEncoder().encode(value)))}`)
    .join(",");
}

/** Uploads that were begun and are not over, as this browser remembers them. */
export class Memory {
  constructor(storage) {
    this.storage = storage;
  }

  /** @returns {{url: string, batchId?: string, name: string, size: number}|null} */
  get(print) {
    try {
      return JSON.parse(this.storage.getItem(PREFIX + print));
    } catch {
      return null;
    }
  }

  set(print, upload) {
    try {
      this.storage.setItem(PREFIX + print, JSON.stringify(upload));
    } catch {
      // A full storage: this upload can't be gone on with after a reload.
    }
  }

  remove(print) {
    this.storage.removeItem(PREFIX + print);
  }

  all() {
    const prints = Object.keys(this.storage).filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length));
    return prints.map((print) => ({ print, ...this.get(print) }));
  }
}

/** What the server can do: its largest file, or null where it has no resumable uploads. */
export async function capabilities(endpoint, request = send) {
  const answer = await request({ method: "OPTIONS", url: endpoint });
  if (answer.status >= 300 || !answer.header("Tus-Version")) return null;
  const max = answer.header("Tus-Max-Size");
  return { maxSize: max ? Number(max) : Infinity };
}

/**
 * Uploads a file, whatever happens in between, and returns the last answer's document and job.
 * @param {{
 *   file: File, path?: string, endpoint: string, metadata: Object<string, string>, batchId?: string,
 *   memory: Memory, signal?: AbortSignal, onSent?: (bytes: number) => void, onStalled?: (error: Error) => void,
 *   request?: typeof send, pause?: typeof wait,
 * }} options
 */
export async function upload(options) {
  const { file, path, memory, signal, onSent = () => {}, onStalled = () => {}, pause = wait } = options;
  const print = fingerprint(file, path);
  let failures = 0;
  let furthest = -1;
  for (;;) {
    try {
      return await tryOnce(options, print, (offset) => {
        // Only what brings the upload further than ever counts as a success.
        if (offset > furthest) failures = 0;
        furthest = Math.max(furthest, offset);
        onSent(offset);
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      if (error instanceof Refused) {
        memory.remove(print);
        throw error;
      }
      // A server that can't be reached is waited for, however long; one that answers with errors is not.
      if (error.answered && failures >= MAX_FAILURES) throw error;
      onStalled(error);
      await pause(pauseAfter(failures), signal);
      failures += 1;
    }
  }
}

async function tryOnce(options, print, onOffset) {
  const { file, endpoint, metadata, batchId, memory, signal, request = send } = options;
  let { url, offset, done } = await resume(memory.get(print)?.url, request, signal);
  if (done) {
    memory.remove(print);
    return done;
  }
  if (!url) {
    const headers = { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": encodeMetadata(metadata) };
    const created = await checked(request({ method: "POST", url: endpoint, headers, signal }));
    url = created.header("Location");
    memory.set(print, { url, batchId, name: file.name, size: file.size });
  }
  for (;;) {
    onOffset(offset);
    const from = offset;
    const answer = await checked(
      request({
        method: "PATCH",
        url,
        headers: { ...VERSION, "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" },
        body: file.slice(from, from + PIECE),
        signal,
        onSent: (sent) => options.onSent?.(Math.min(from + sent, file.size)),
      }),
    );
    offset = Number(answer.header("Upload-Offset"));
    if (offset >= file.size) {
      onOffset(offset);
      memory.remove(print);
      return {
        documentId: answer.header("Ragstream-Document-Id"),
        jobId: answer.header("Ragstream-Job-Id"),
        duplicate: answer.header("Ragstream-Duplicate") === "true",
      };
    }
  }
}

/** How far an upload is that was begun; nothing where the server knows it no more. */
async function resume(url, request, signal) {
  if (!url) return { offset: 0 };
  const answer = await request({ method: "HEAD", url, headers: VERSION, signal });
  if ([403, 404, 410].includes(answer.status)) return { offset: 0 };
  await checked(answer);
  const offset = Number(answer.header("Upload-Offset"));
  if (offset < Number(answer.header("Upload-Length") ?? Infinity)) return { url, offset };
  // The last piece arrived, and its answer was lost.
  const { file } = JSON.parse((await checked(request({ method: "GET", url, signal }))).text);
  if (!file) return { url, offset };
  return { done: { documentId: file.document_id, jobId: file.job_id, duplicate: file.duplicate } };
}

/** Sorts answers: fine, refused for good, or worth another try. */
async function checked(pending) {
  const answer = await pending;
  if (answer.status < 300) return answer;
  const problem = problemOf(answer);
  // 409 is an offset that is not ours to decide, 423 a piece still being written: ask again where it is.
  const again = answer.status >= 500 || [404, 408, 409, 410, 423, 429, 460].includes(answer.status);
  if (!again) throw new Refused(problem);
  throw Object.assign(new Error(problem.detail), { answered: true });
}

/** Ends an upload and has the server forget its bytes. */
export async function terminate(file, path, memory, request = send) {
  const print = fingerprint(file, path);
  const known = memory.get(print);
  if (!known) return;
  memory.remove(print);
  await request({ method: "DELETE", url: known.url, headers: VERSION }).catch(() => {});
}
