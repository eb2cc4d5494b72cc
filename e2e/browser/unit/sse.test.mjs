// The parser must give the same messages however the stream is cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { messages, parser } from "../../../services/gateway/dashboard/js/sse.js";

const STREAM = ": hello\r\n\r\nevent: token\nid: 7\ndata: {\"text\":\ndata:  \"a\"}\n\ndata:plain\r\rretry: 2000\n\nevent: empty\n\nevent: done\r\ndata: x:y\r\n\r\n";
const WANTED = [
  { event: "token", data: '{"text":\n "a"}', id: "7" },
  { event: "message", data: "plain", id: "7" },
  { event: "done", data: "x:y", id: "7" },
];

function parse(pieces) {
  const found = [];
  const feed = parser((message) => found.push(message));
  pieces.forEach(feed);
  return found;
}

test("messages with comments, ids, several lines of data and all line ends", () => {
  assert.deepEqual(parse([STREAM]), WANTED);
});

test("cut into single characters, and at every place", () => {
  assert.deepEqual(parse([...STREAM]), WANTED);
  for (let at = 0; at <= STREAM.length; at += 1) assert.deepEqual(parse([STREAM.slice(0, at), STREAM.slice(at)]), WANTED, `cut at ${at}`);
});

test("what is not ended is no message", () => {
  assert.deepEqual(parse(["data: half\n"]), []);
});

test("characters of several bytes are not broken by the pieces of a body", async () => {
  const bytes = new TextEncoder().encode("data: 日🦀\n\n");
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const found = [];
  await messages({ body }, (message) => found.push(message.data));
  assert.deepEqual(found, ["日🦀"]);
});
