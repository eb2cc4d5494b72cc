// Numbers, sizes and times in words; checks of what is typed and chosen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pauseAfter } from "../../../services/gateway/dashboard/js/backoff.js";
import { points } from "../../../services/gateway/dashboard/js/charts.js";
import { check, checkCollection, checkMetadata } from "../../../services/gateway/dashboard/js/files.js";
import * as format from "../../../services/gateway/dashboard/js/format.js";
import { match } from "../../../services/gateway/dashboard/js/router.js";

function all(fn, cases) {
  for (const [given, wanted] of cases) assert.equal(fn(...[given].flat()), wanted, JSON.stringify(given));
}

test("sizes", () => all(format.bytes, [[0, "0 B"], [1023, "1023 B"], [1024, "1.0 KiB"], [123456, "121 KiB"], [5 * 2 ** 30, "5.0 GiB"], [2 ** 60, "1048576 TiB"]]));
test("durations", () => all(format.duration, [[-1, "0 s"], [59.4, "59 s"], [60, "1 min"], [200, "3 min 20 s"], [7500, "2 h 5 min"], [90000, "1 d 1 h"]]));
test("milliseconds", () => all(format.millis, [[0.001, "< 0.1 ms"], [0.44, "0.4 ms"], [12.4, "12 ms"], [1234, "1.2 s"]]));
test("counts", () => all(format.plural, [[[1, "file"], "1 file"], [[0, "file"], "0 files"], [[12345, "match", "matches"], "12,345 matches"]]));
test("a percentage is 100 only where all is done", () => all(format.percent, [[99.99, "99 %"], [100, "100 %"]]));
test("names", () => all(format.words, [["text_extraction", "Text extraction"]]));

test("times", () => {
  const now = Date.parse("2026-06-15T12:00:00Z");
  const ago = (seconds) => format.relative(new Date(now - seconds * 1000).toISOString(), now);
  all(ago, [[0, "just now"], [-30, "just now"], [45, "45 s ago"], [3599, "59 min ago"], [7200, "2 h ago"], [100000, "yesterday"], [4 * 86400, "4 days ago"], [30 * 86400, "2026-05-16"]]);
});

test("pauses grow, are bounded, and differ", () => {
  assert.equal(pauseAfter(0, () => 0), 250);
  assert.equal(pauseAfter(0, () => 1), 500);
  assert.equal(pauseAfter(3, () => 1), 4000);
  assert.equal(pauseAfter(50, () => 1), 30000);
});

test("the newest sample is at the right edge, the highest at the top", () => {
  assert.equal(points([{ at: 0, value: 5 }, { at: 100, value: 10 }], 100, 200, 200, 50), "100.0,25.0 200.0,1.0");
  assert.equal(points([{ at: 100, value: 0 }], 100, 200, 200, 50), "200.0,49.0");
});

test("files before they are sent", () => {
  assert.match(check({ name: "a.txt", size: 0 }, 10).problem, /empty/);
  assert.match(check({ name: "a.txt", size: 11 }, 10).problem, /10 B at most/);
  assert.match(check({ name: "A.EXE", size: 5 }, 10).warning, /\.exe/);
  assert.deepEqual(check({ name: "exe", size: 10 }, 10), {});
  assert.deepEqual(check({ name: "a.b.pdf", size: 10 }, 10), {});
});

test("collections and metadata", () => {
  for (const good of ["", "a", "A-b_c.9", "x".repeat(128)]) assert.equal(checkCollection(good), "", good);
  for (const bad of ["a b", "ü", "a/b", "x".repeat(129)]) assert.notEqual(checkCollection(bad), "", bad);
  for (const good of ["", " ", "{}", '{"a": [1]}']) assert.equal(checkMetadata(good), "", good);
  for (const bad of ["[]", "1", "null", "{", '"a"']) assert.notEqual(checkMetadata(bad), "", bad);
});

test("routes: one segment each, decoded", () => {
  const routes = [{ path: "/" }, { path: "/d/audit" }, { path: "/d/{id}" }];
  assert.equal(match(routes, "/").route, routes[0]);
  assert.equal(match(routes, "/d/audit").route, routes[1]);
  assert.deepEqual(match(routes, "/d/a%2Fb").params, { id: "a/b" });
  assert.equal(match(routes, "/d/a/b"), null);
});
