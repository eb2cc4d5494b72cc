// Spans count bytes: whatever the characters, the part that is marked must be exactly those bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpan, splitAt, takeWindow } from "../../../services/gateway/dashboard/js/spans.js";

const encode = (text) => new TextEncoder().encode(text);

test("a span is found in text of one to four bytes a character", () => {
  const [before, marked, after] = ["aé日🦀", "Ω🦀z", "é日a"];
  const start = encode(before).length;
  const span = { start, end: start + encode(marked).length };
  const bytes = encode(before + marked + after);
  assert.deepEqual(splitAt(bytes, 0, span), { before, marked, after, start: 0, end: bytes.length });
});

test("every window of a text shows whole characters alone, and marks what is inside of it", () => {
  const text = "aé日🦀Ω";
  const bytes = encode(text);
  for (let from = 0; from <= bytes.length; from += 1) {
    for (let to = from; to <= bytes.length; to += 1) {
      const split = splitAt(bytes.subarray(from, to), from, { start: 3, end: 10 });
      const shown = split.before + split.marked + split.after;
      assert.ok(text.includes(shown) && !shown.includes("\ufffd"), `${from}-${to}: ${JSON.stringify(shown)}`);
      assert.equal(encode(shown).length, Math.max(0, split.end - split.start), `${from}-${to}`);
      assert.ok("日🦀".includes(split.marked), `${from}-${to}: ${split.marked}`);
    }
  }
});

test("a span that begins inside a character takes the whole of it", () => {
  assert.equal(splitAt(encode("a🦀b"), 0, { start: 3, end: 5 }).marked, "🦀");
});

test("without a span nothing is marked; a span elsewhere marks nothing", () => {
  assert.deepEqual(splitAt(encode("text"), 10, null), { before: "text", marked: "", after: "", start: 10, end: 14 });
  assert.equal(splitAt(encode("text"), 10, { start: 100, end: 110 }).marked, "");
});

test("spans in addresses", () => {
  assert.deepEqual(parseSpan("12-34"), { start: 12, end: 34 });
  for (const wrong of [null, "", "12", "34-12", "5-5", "-1-2", "a-b", "1-2-3"]) assert.equal(parseSpan(wrong), null, wrong);
});

test("of a stream no more is read than the window needs", async () => {
  let read = 0;
  let cancelled = false;
  const reader = {
    read: async () => ({ done: false, value: Uint8Array.from({ length: 10 }, (_, i) => read++ * 0 + i) }),
    cancel: async () => void (cancelled = true),
  };
  const bytes = await takeWindow(reader, 15, 32);
  assert.deepEqual([...bytes], [5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  assert.equal(read, 40);
  assert.ok(cancelled);
});

test("a stream that ends early gives what there is", async () => {
  const pieces = [encode("abc")];
  const reader = { read: async () => (pieces.length ? { done: false, value: pieces.shift() } : { done: true }), cancel: async () => {} };
  assert.deepEqual(await takeWindow(reader, 1, 100), encode("bc"));
});
