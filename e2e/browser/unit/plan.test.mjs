// How files are put into requests, and answers back to files.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, LARGE, MAX_BYTES, MAX_FILES, plan, spread } from "../../../services/gateway/dashboard/js/plan.js";

const files = (...sizes) => sizes.map((size, i) => ({ name: `f${i}`, path: `f${i}`, size }));

test("small files share requests within both limits, large ones go alone", () => {
  const many = files(...Array(120).fill(10));
  assert.deepEqual(plan(many, true).requests.map((group) => group.length), [MAX_FILES, MAX_FILES, 20]);
  const half = MAX_BYTES / 4;
  assert.deepEqual(plan(files(half, half, half, half, 1), true).requests.map((group) => group.length), [4, 1]);
  const mixed = plan(files(LARGE, LARGE + 1, 5), true);
  assert.deepEqual([mixed.requests.length, mixed.large.length], [1, 1]);
});

test("without resumable uploads nothing is left out", () => {
  const { requests, large } = plan(files(5, MAX_BYTES * 3, 5), false);
  assert.equal(large.length, 0);
  assert.deepEqual(requests.map((group) => group.map(({ name }) => name)), [["f0"], ["f1"], ["f2"]]);
});

test("every file is in exactly one place, in order", () => {
  const entries = files(...Array.from({ length: 300 }, (_, i) => (i * 7919 * 997) % (LARGE + 1000)));
  const { requests, large } = plan(entries, true);
  const all = [...requests.flat(), ...large];
  assert.equal(all.length, 300);
  assert.equal(new Set(all).size, 300);
  for (const group of requests) assert.ok(group.length === 1 || group.reduce((sum, { size }) => sum + size, 0) <= MAX_BYTES);
});

test("bytes that are sent fill one file after the other", () => {
  assert.deepEqual(spread(files(10, 20, 5), 0), [0, 0, 0]);
  assert.deepEqual(spread(files(10, 20, 5), 17), [10, 7, 0]);
  assert.deepEqual(spread(files(10, 20, 5), 1000), [10, 20, 5]);
});

test("answers find their files: by name, by order where the server changed the name", () => {
  const entries = [...files(1, 2, 3), { name: "bad\u0001name", path: "x/bad\u0001name", size: 4 }];
  const taken = [{ filename: "f0", size_bytes: 1 }, { filename: "f2", size_bytes: 3 }, { filename: "badname", size_bytes: 4 }];
  const refused = [{ filename: "f1", error: { detail: "no" } }];
  const found = assign(entries, taken, refused);
  assert.deepEqual(found.map((one) => one.taken?.filename ?? one.refused?.detail), ["f0", "no", "f2", "badname"]);
});

test("two files of one name, the first refused", () => {
  const entries = [{ name: "a", path: "x/a", size: 1 }, { name: "a", path: "y/a", size: 2 }];
  const found = assign(entries, [{ filename: "a", size_bytes: 2 }], [{ filename: "a", error: { detail: "no" } }]);
  assert.equal(found[0].refused.detail, "no");
  assert.equal(found[1].taken.size_bytes, 2);
});
