// What a page knows of a batch, from events in any order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../services/gateway/dashboard/js/batch.js";

const at = (second) => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
const job = (more) => ({ job_id: "j1", document_id: "d1", batch_id: "b", current_file: "a.txt", stage: "embedding", percentage: 40, updated_at: at(5), ...more });
const entry = (more) => ({ name: "a.txt", path: "a.txt", size: 100, ...more });

function local(...entries) {
  const batch = new Batch("b");
  return { batch, rows: entries.map((one) => batch.addLocal(one)) };
}

test("a percentage never goes back: not from uploading to processing, not by a late event, not by a retry", () => {
  const { batch, rows } = local(entry());
  const seen = [];
  const look = () => seen.push(rows[0].percent, batch.percent);
  batch.update(rows[0], { status: "sending", sent: 100 });
  look();
  batch.taken(rows[0], { job_id: "j1", document_id: "d1", duplicate: false, stage: "accepted" });
  for (const [percentage, second] of [[0, 1], [40, 3], [30, 4], [10, 2], [80, 6]]) {
    batch.mergeJob(job({ percentage, updated_at: at(second) }));
    look();
  }
  for (const which of [0, 1]) {
    const values = seen.filter((_, i) => i % 2 === which);
    assert.deepEqual(values, [...values].sort((a, b) => a - b));
  }
});

test("an event that comes late does not bring an ended job back", () => {
  const { batch, rows } = local(entry());
  batch.taken(rows[0], { job_id: "j1", document_id: "d1", duplicate: false, stage: "accepted" });
  batch.mergeJob({ job_id: "j1", stage: "failed", occurred_at: at(9), error: { class: "c", message: "it is damaged" } });
  batch.mergeJob(job({ updated_at: at(5) }));
  assert.equal(rows[0].status, "failed");
  assert.equal(rows[0].reason, "it is damaged");
  assert.equal(batch.status, "failed");
  batch.mergeJob(job({ updated_at: at(10), stage: "accepted" }));
  assert.equal(rows[0].status, "accepted");
  assert.equal(rows[0].reason, undefined);
});

test("a job's events may come before the answer to its upload", () => {
  const { batch, rows } = local(entry());
  batch.mergeJob(job({ stage: "complete", percentage: 100 }));
  assert.equal(rows[0].status, "waiting");
  batch.taken(rows[0], { job_id: "j1", document_id: "d1", duplicate: false, stage: "accepted" });
  assert.equal(rows[0].status, "complete");
  assert.equal(batch.status, "complete");
});

test("totals of a batch with one of each", () => {
  const { batch, rows } = local(entry(), entry({ name: "b" }), entry({ name: "c" }), entry({ name: "d", problem: "The file is empty." }));
  batch.update(rows[2], { status: "rejected", reason: "no" });
  batch.taken(rows[0], { job_id: "j1", document_id: "d1", duplicate: false });
  batch.taken(rows[1], { job_id: "j2", document_id: "d2", duplicate: false });
  batch.mergeJob(job({ stage: "complete", percentage: 100 }));
  assert.equal(batch.status, "processing");
  batch.mergeJob(job({ job_id: "j2", stage: "failed", failure: { class: "c", message: "m" } }));
  assert.deepEqual(batch.counts(), { total: 4, active: 0, complete: 1, failed: 1, rejected: 1, not_sent: 1, cancelled: 0, paused: 0 });
  assert.equal(batch.status, "complete_with_failures");
  assert.equal(batch.percent, 100);
});

test("a batch of somebody else is known by the server's account and its files", () => {
  const batch = new Batch("b");
  const outcomes = { complete: 1, failed: 0, cancelled: 0, rejected: 1, active: 1, paused: 0 };
  batch.mergeServer({ batch_id: "b", status: "processing", files: { done: 2, total: 3 }, outcomes, chunks: { done: 1, total: 2 }, percentage: 66, updated_at: at(1) });
  assert.equal(batch.counts().complete, 1);
  assert.equal(batch.percent, 66);
  batch.mergeFiles([
    { filename: "a.txt", position: 0, status: "waiting" },
    { filename: "x.exe", position: 1, status: "rejected", error: { detail: "no such type" } },
  ]);
  batch.mergeFiles([{ filename: "a.txt", position: 0, status: "processing", job: job() }]);
  assert.equal(batch.rows.size, 2, "a file that waited and now has a job is one file");
  assert.equal([...batch.rows.values()].find((row) => row.name === "x.exe").reason, "no such type");
  assert.equal(batch.counts().total, 3);
});

test("jobs of other batches are none of its business", () => {
  const batch = new Batch("b");
  batch.mergeJob(job({ batch_id: "other" }));
  assert.equal(batch.rows.size, 0);
});
