// All batches that this page knows, and what can be done to them.

import { api, connection } from "./api.js";
import { Batch, isOver } from "./batch.js";
import { follow } from "./live.js";

/** Files of a page of the server's list. */
const PAGE = 1000;
/** Pages of jobs that are looked through where the server has no batches. */
const MAX_JOB_PAGES = 10;

/** @type {Map<string, Batch>} */
const known = new Map();

/** A batch by its id; one that is not known yet is empty. */
export function batch(id) {
  if (!known.has(id)) known.set(id, new Batch(id));
  return known.get(id);
}

/** Batches that are uploaded from this page, newest first. */
export function localBatches() {
  return [...known.values()].filter((one) => one.local).reverse();
}

/** A batch of the server's list. */
export function fromServer(json) {
  const one = batch(json.batch_id);
  one.mergeServer(json);
  return one;
}

/** Asks how all files of a batch are. */
export async function refresh(one) {
  const { id } = one;
  if (!one.isOnServer) return refreshByJobs(one);
  one.mergeServer(await api(`/api/v2/batches/${id}`));
  let next = `/api/v2/batches/${id}/files?limit=${PAGE}`;
  while (next) {
    const page = await api(next);
    one.mergeFiles(page.files);
    next = page.next;
  }
  return refreshDuplicates(one);
}

/** A duplicate's job belongs to the batch of the first upload. */
async function refreshDuplicates(one) {
  for (const row of one.rows.values()) {
    if (row.duplicate && !isOver(row.status)) one.mergeJob(await api(`/api/v2/documents/status/${row.job.job_id}`));
  }
}

async function refreshByJobs(one) {
  const open = new Set();
  for (const { job, status } of one.rows.values()) if (job && !isOver(status)) open.add(job.job_id);
  let next = "/api/v2/jobs?limit=1000";
  for (let page = 0; next && open.size && page < MAX_JOB_PAGES; page += 1) {
    const { jobs, next: more } = await api(next);
    for (const job of jobs) if (open.delete(job.job_id)) one.mergeJob(job);
    next = more;
  }
}

/** Follows one batch while `signal` lasts. One that the server does not know is looked after by `watchUntilOver`. */
export function followBatch(one, signal) {
  if (!one.isOnServer) return;
  follow(
    `/api/v2/batches/${one.id}/events`,
    {
      onJob: (job) => one.mergeJob(job),
      onBatch: (json) => one.mergeServer(json),
      catchUp: async () => {
        if (!(one.isOver && one.server)) await refresh(one);
      },
      isOver: () => one.isOver,
    },
    signal,
  );
}

/** @type {Set<{onJob?: (job: object) => void, onBatch?: (batch: object) => void, catchUp?: () => Promise<void>}>} */
const watchers = new Set();
let stream;

/** Follows all that happens while `signal` lasts; whoever else does shares the connection. */
export function followAll(watcher, signal) {
  watchers.add(watcher);
  if (stream) watcher.catchUp?.().catch(() => {});
  stream ??= openStream();
  signal.addEventListener("abort", () => {
    watchers.delete(watcher);
    if (watchers.size) return;
    stream.abort();
    stream = undefined;
  });
}

function openStream() {
  const opened = new AbortController();
  follow(
    "/api/v2/events",
    {
      onJob: (job) => {
        for (const one of localBatches()) one.mergeJob(job);
        for (const watcher of watchers) watcher.onJob?.(job);
      },
      onBatch: (json) => {
        fromServer(json);
        for (const watcher of watchers) watcher.onBatch?.(json);
      },
      catchUp: async () => {
        for (const one of localBatches()) if (!one.isOver) await refresh(one);
        for (const watcher of watchers) await watcher.catchUp?.();
      },
    },
    opened.signal,
  );
  return opened;
}

/** Keeps what is uploaded from here up to date, whatever page is shown. */
export function watchUntilOver(one) {
  if (one.isOver) return;
  const over = new AbortController();
  one.addEventListener("change", () => one.isOver && over.abort(), { signal: over.signal });
  followAll({}, over.signal);
}

/** `pause`, `resume`, `cancel` or `retry` of one file's job. */
export async function commandJob(one, row, command) {
  if (command === "retry") one.restart();
  one.mergeJob(await api(`/api/v2/jobs/${row.job.job_id}/${command}`, { method: "POST" }));
  if (one.local) watchUntilOver(one);
}

/** The same of all its files. @returns {Promise<{done: number, refused: number}>} */
export async function commandBatch(one, command) {
  if (command === "retry") one.restart();
  const result = one.isOnServer ? await api(`/api/v2/batches/${one.id}/${command}`, { method: "POST" }) : await commandEach(one, command);
  if (connection.online) await refresh(one);
  if (one.local) watchUntilOver(one);
  return result;
}

async function commandEach(one, command) {
  const result = { done: 0, refused: 0 };
  for (const row of one.rows.values()) {
    const meant = command === "retry" ? row.status === "failed" : row.job && !isOver(row.status);
    if (!meant) continue;
    await commandJob(one, row, command).then(() => (result.done += 1), () => (result.refused += 1));
  }
  return result;
}
