// Sends the files of a batch: many small ones to a request, large ones each by a resumable upload. What breaks
// off is tried again; what the server refuses is marked, and the rest goes on.

import { api, apiIfThere, connection } from "./api.js";
import { LOCAL } from "./batch.js";
import { pauseAfter, wait } from "./backoff.js";
import { batch, refresh, watchUntilOver } from "./batches.js";
import { assign, plan, spread } from "./plan.js";
import * as tus from "./tus.js";
import { problemOf, send } from "./xhr.js";

const UPLOADS = "/api/v2/uploads";
/** Files or requests under way at once, of all batches: browsers allow six connections to a server, and streams of events take two. */
const AT_ONCE = 2;
const MAX_FAILURES = 7;

/** What is remembered of uploads that were begun. */
export const memory = new tus.Memory(localStorage);

let able;

/** What the server takes: its largest file, and whether it has resumable uploads. */
export function capabilities() {
  able ??= tus
    .capabilities(UPLOADS)
    .then((found) => ({ resumable: found !== null, maxSize: found?.maxSize ?? Infinity }))
    .catch((error) => {
      able = undefined;
      throw error;
    });
  return able;
}

/** How a batch's sending is held and ended. */
class Control {
  #abort = new AbortController();
  #held = null;
  #release = null;
  /** @type {Map<string, AbortController>} */
  files = new Map();

  get signal() {
    return this.#abort.signal;
  }

  get isHeld() {
    return this.#held !== null;
  }

  hold() {
    this.#held ??= new Promise((resolve) => (this.#release = resolve));
    for (const abort of this.files.values()) abort.abort();
  }

  release() {
    this.#release?.();
    this.#held = null;
  }

  async whenFree() {
    while (this.#held) await this.#held;
  }

  cancel() {
    this.#abort.abort();
    this.release();
    for (const abort of this.files.values()) abort.abort();
  }
}

/** @type {Map<string, Control>} */
const controls = new Map();

/** Whether files of this batch are still on their way to the server. */
export function isSending(one) {
  return controls.has(one.id);
}

/** Holds what is being sent, goes on with it, or ends it. */
export function controlSending(one, command) {
  const control = controls.get(one.id);
  if (!control) return;
  if (command === "pause") control.hold();
  if (command === "resume") control.release();
  if (command === "cancel") control.cancel();
}

/**
 * Begins an upload. Files whose upload was begun earlier go on in their own batch.
 * @param {{file: File, name: string, path: string, size: number, problem?: string, warning?: string}[]} entries
 * @param {{collection?: string, metadata?: string, priority?: string, name?: string}} options
 * @returns {Promise<import("./batch.js").Batch[]>} the batches that they are in
 */
export async function begin(entries, options) {
  const { resumable } = await capabilities();
  const groups = new Map();
  for (const entry of entries) {
    const begun = resumable ? memory.get(tus.fingerprint(entry.file, entry.path))?.batchId : undefined;
    const group = groups.get(begun) ?? [];
    groups.set(begun, [...group, entry]);
  }
  const batches = [];
  for (const [batchId, group] of groups) {
    const sent = group.filter((entry) => !entry.problem);
    const id = batchId ?? (sent.length ? await announce(sent.length, options.name) : null);
    const one = batch(id ?? `${LOCAL}${Date.now()}`);
    one.startedAt = new Date().toISOString();
    one.name = options.name;
    const rows = group.map((entry) => one.addLocal(entry));
    // A failure of one file is its own; this can't fail.
    void sendAll(one, rows.filter((row) => !row.problem), { ...options, batchId: id, resumable });
    watchUntilOver(one);
    batches.push(one);
  }
  return batches;
}

/** Tells the server how many files are to come; null from one that has no batches. */
async function announce(files, name) {
  const answer = await apiIfThere("/api/v2/batches", { json: { files_total: files, ...(name && { name }) } });
  return answer?.batch_id ?? null;
}

async function sendAll(one, rows, options) {
  if (rows.length === 0) return;
  const control = new Control();
  controls.set(one.id, control);
  const { requests, large } = plan(rows, options.resumable);
  const work = [
    ...requests.map((group) => () => sendRequest(one, group, options, control)),
    ...large.map((row) => () => sendLarge(one, row, options, control)),
  ];
  await Promise.all(work.map(inLane));
  controls.delete(one.id);
  // Jobs may have ended before their files were known to have one.
  await refresh(one).catch(() => {});
}

const lanes = { free: AT_ONCE, waiting: [] };

/** Runs work once there is room for it, in the order in which it came. */
async function inLane(work) {
  if (lanes.free > 0) lanes.free -= 1;
  else await new Promise((resolve) => lanes.waiting.push(resolve));
  await work();
  const next = lanes.waiting.shift();
  if (next) next();
  else lanes.free += 1;
}

/**
 * Runs `attempt` with a signal of its own until it is through: a pause interrupts it, a cancellation ends it.
 */
async function untilThrough(rows, one, control, attempt) {
  for (;;) {
    await control.whenFree();
    if (control.signal.aborted) break;
    const abort = new AbortController();
    const key = rows[0].key;
    control.files.set(key, abort);
    try {
      await attempt(abort.signal);
      return;
    } catch (error) {
      if (!abort.signal.aborted) {
        for (const row of rows) one.update(row, { status: "rejected", reason: error.message, note: undefined });
        return;
      }
    } finally {
      control.files.delete(key);
    }
    if (control.isHeld) for (const row of rows) one.update(row, { status: "paused", note: "Its upload is held." });
  }
  for (const row of rows) one.update(row, { status: "cancelled", note: undefined });
}

function sendRequest(one, rows, options, control) {
  return untilThrough(rows, one, control, async (signal) => {
    for (const row of rows) one.update(row, { status: "sending", note: undefined });
    const answer = await postForm(one, rows, options, signal);
    const body = answer.status < 300 ? JSON.parse(answer.text) : null;
    const problem = body ? null : problemOf(answer);
    // Where no file was taken, the answer is a problem with the files' own in it.
    const refused = body?.rejected ?? problem?.errors?.map((error) => ({ filename: error.filename, error })) ?? [];
    const outcomes = assign(rows, body?.files ?? [], refused);
    rows.forEach((row, i) => {
      const { taken, refused: why } = outcomes[i];
      if (taken) one.taken(row, taken);
      else one.update(row, { status: "rejected", reason: (why ?? problem)?.detail, note: undefined });
    });
  });
}

/** The same bytes again are known as a duplicate: a request whose answer was lost can be sent again. */
async function postForm(one, rows, options, signal) {
  for (let failures = 0; ; ) {
    const form = new FormData();
    for (const key of ["collection", "metadata", "priority"]) if (options[key]) form.append(key, options[key]);
    if (options.batchId) form.append("batch_id", options.batchId);
    for (const row of rows) form.append("file", row.file, row.path);
    const onSent = (bytes) => {
      const shares = spread(rows, bytes);
      rows.forEach((row, i) => one.update(row, { sent: Math.max(row.sent, shares[i]) }));
    };
    try {
      const answer = await send({ method: "POST", url: "/api/v2/documents/upload", body: form, signal, onSent });
      if ((answer.status < 500 && answer.status !== 429) || failures >= MAX_FAILURES) return answer;
    } catch (error) {
      if (signal.aborted) throw error;
      connection.lost();
    }
    const note = connection.online ? "The server is busy: it is tried again." : "The connection is lost: it goes on by itself.";
    for (const row of rows) one.update(row, { note });
    await wait(pauseAfter(failures), signal);
    await connection.whenOnline();
    failures += 1;
  }
}

function sendLarge(one, row, options, control) {
  return untilThrough([row], one, control, async (signal) => {
    one.update(row, { status: "sending", note: undefined });
    const { collection, metadata, priority, batchId } = options;
    const relativePath = row.path === row.name ? undefined : row.path;
    const taken = await tus.upload({
      file: row.file,
      path: row.path,
      endpoint: UPLOADS,
      metadata: { filename: row.name, filetype: row.file.type, collection, metadata, priority, batch_id: batchId, relativePath },
      batchId,
      memory,
      signal,
      onSent: (sent) => one.update(row, { sent, note: undefined }),
      onStalled: () => one.update(row, { note: "The connection is lost: it goes on by itself." }),
    });
    one.taken(row, { job_id: taken.jobId, document_id: taken.documentId, duplicate: taken.duplicate });
    if (taken.duplicate) one.mergeJob(await api(`/api/v2/documents/status/${taken.jobId}`));
  }).then(() => control.signal.aborted && tus.terminate(row.file, row.path, memory));
}
