// A batch as this page knows it: its files, each from its choice to the end of its job. Files of an upload from
// this page are here before the server knows them; those of other batches come from the server.

/** How ids begin that are no batch of the server. */
export const LOCAL = "local-";
/** Where a file is once it is uploaded, in percent: where its job is once it is read, so that none goes back. */
const UPLOADED = 10;
const FINAL = new Set(["complete", "failed", "cancelled", "rejected", "not_sent"]);

/**
 * @typedef {Object} Row a file
 * @property {string} key
 * @property {string} name
 * @property {string} path
 * @property {number} [size]
 * @property {string} status `waiting`, `sending`, `not_sent`, `rejected`, or its job's stage
 * @property {number} percent never goes back
 * @property {boolean} local it is uploaded from this page
 * @property {number} [sent] bytes that are up
 * @property {boolean} [duplicate]
 * @property {string} [reason] why it failed
 * @property {string} [note] what it waits for
 * @property {object} [job] what is known of its job
 * @property {string} [updatedAt]
 */

export class Batch extends EventTarget {
  /** @type {Map<string, Row>} */
  rows = new Map();
  #byJob = new Map();
  #strays = new Map();
  #percent = 0;
  /** The server's own account of it. */
  server = null;
  /** Whether it is uploaded from this page. */
  local = false;

  /**
   * @param {string} id
   * @param {(job: object) => boolean} [isOurs] whether a job that is not known yet belongs here
   */
  constructor(id, isOurs = (job) => job.batch_id === id) {
    super();
    this.id = id;
    this.isOurs = isOurs;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Adds a file that is to be uploaded from here. */
  addLocal(entry) {
    const status = entry.problem ? "not_sent" : "waiting";
    const percent = entry.problem ? 100 : 0;
    const row = { ...entry, key: `local-${this.rows.size}`, status, percent, local: true, sent: 0, reason: entry.problem };
    this.local = true;
    this.rows.set(row.key, row);
    this.#changed();
    return row;
  }

  /** Changes what is known of a row that is uploaded from here. */
  update(row, changes) {
    Object.assign(row, changes);
    if (FINAL.has(row.status)) row.percent = 100;
    else if (row.size) row.percent = Math.max(row.percent, (UPLOADED * row.sent) / row.size);
    this.#changed();
  }

  /** The server took a file and made a job of it. */
  taken(row, { job_id, document_id, duplicate, stage }) {
    row.duplicate = duplicate;
    row.sent = row.size;
    row.note = undefined;
    this.#byJob.set(job_id, row);
    const stray = this.#strays.get(job_id);
    this.#strays.delete(job_id);
    this.#apply(row, { job_id, document_id, stage: stage ?? "accepted" });
    if (stray) this.#apply(row, stray);
    this.#changed();
  }

  /** What is known of a job now: all of it, or what an event tells. */
  mergeJob(job) {
    const row = this.#byJob.get(job.job_id);
    if (row) this.#apply(row, job);
    else if (!this.isOurs(job)) return;
    else if (this.local) this.#strays.set(job.job_id, job);
    else this.#adopt({ filename: job.current_file ?? job.filename, job });
    this.#changed();
  }

  /** The server's account of the batch. */
  mergeServer(batch) {
    if (this.server && Date.parse(batch.updated_at) < Date.parse(this.server.updated_at)) return;
    this.server = batch;
    this.#changed();
  }

  /** Files as the server lists them. */
  mergeFiles(files) {
    for (const file of files) {
      if (file.job && this.#byJob.has(file.job.job_id)) this.#apply(this.#byJob.get(file.job.job_id), file.job);
      else if (!this.local) this.#adopt(file);
    }
    this.#changed();
  }

  #adopt(file) {
    const path = file.path ?? file.filename;
    const unnamed = `${file.position ?? ""}|${path}`;
    const key = file.job?.job_id ?? unnamed;
    // A file that waited for its job has it now.
    if (file.job) this.rows.delete(unnamed);
    const known = this.rows.get(key);
    const row = known ?? { key, name: path.split("/").pop(), path, local: false, percent: 0, status: file.status ?? "waiting" };
    this.rows.set(key, row);
    if (file.job) {
      this.#byJob.set(file.job.job_id, row);
      this.#apply(row, file.job);
    } else {
      row.status = file.status;
      row.reason = file.error?.detail;
      if (FINAL.has(row.status)) row.percent = 100;
    }
  }

  #apply(row, job) {
    const at = job.updated_at ?? job.occurred_at;
    // Events may come again, and late.
    if (at && row.updatedAt && Date.parse(at) < Date.parse(row.updatedAt)) return;
    row.updatedAt = at ?? row.updatedAt;
    row.job = { ...row.job, ...job };
    // An event without a failure is of a stage that has none.
    if (job.stage) row.status = job.stage;
    const failure = job.failure ?? job.error;
    row.reason = row.status === "failed" ? (failure?.message ?? row.reason) : undefined;
    row.size ??= job.size_bytes;
    if (row.status === "complete") row.percent = 100;
    else if (job.percentage != null) row.percent = Math.max(row.percent, job.percentage);
  }

  /** How many files are in each state, `active` together. */
  counts() {
    const counts = { total: 0, active: 0, complete: 0, failed: 0, rejected: 0, not_sent: 0, cancelled: 0, paused: 0 };
    if (this.rows.size === 0 && this.server) {
      return { ...counts, ...this.server.outcomes, total: this.server.files.total };
    }
    for (const row of this.rows.values()) {
      counts.total += 1;
      counts[row.status in counts ? row.status : "active"] += 1;
    }
    // Of a batch of others some files may not have come yet.
    if (!this.local && this.server) counts.total = Math.max(counts.total, this.server.files.total);
    return counts;
  }

  /** How far all of it is, 0 to 100; never goes back. */
  get percent() {
    let now = this.server?.percentage ?? 0;
    if (this.local && this.rows.size) {
      let sum = 0;
      for (const row of this.rows.values()) sum += FINAL.has(row.status) ? 100 : row.percent;
      now = sum / this.rows.size;
    }
    this.#percent = Math.max(this.#percent, now);
    return this.#percent;
  }

  /** Whether the server has it as a batch: one where nothing is sent, or of an older server, is known here alone. */
  get isOnServer() {
    return !this.id.startsWith(LOCAL);
  }

  /** What had failed is done again: how far it is, is measured anew. */
  restart() {
    this.#percent = 0;
  }

  /** `processing`, or how it ended. */
  get status() {
    const { total, complete, failed, rejected, not_sent, cancelled, paused } = this.counts();
    const over = complete + failed + rejected + not_sent + cancelled;
    if (over < total || total === 0) return paused > 0 && over + paused === total ? "paused" : "processing";
    if (cancelled === total) return "cancelled";
    if (complete + cancelled === total) return "complete";
    return complete > 0 ? "complete_with_failures" : "failed";
  }

  /** Chunks done and in all, as far as they are known. */
  chunks() {
    if (this.rows.size === 0 && this.server) return this.server.chunks;
    const sum = { done: 0, total: 0 };
    for (const { job } of this.rows.values()) {
      sum.done += job?.chunks?.done ?? 0;
      sum.total += job?.chunks?.total ?? 0;
    }
    return sum;
  }

  get isOver() {
    return !["processing", "paused"].includes(this.status);
  }

  get createdAt() {
    return this.server?.created_at ?? this.startedAt;
  }

  get title() {
    if (this.server?.name ?? this.name) return this.server?.name ?? this.name;
    const first = this.rows.values().next().value;
    const total = this.counts().total;
    if (!first) return `Upload of ${total === 1 ? "one file" : `${total} files`}`;
    return total > 1 ? `${first.name} and ${total - 1} more` : first.name;
  }
}

/** Whether a file's way is over. */
export function isOver(status) {
  return FINAL.has(status);
}
