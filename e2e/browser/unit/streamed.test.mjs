// An answer that builds up is whole at its end, or an error.

import assert from "node:assert/strict";
import { test } from "node:test";
import { streamed } from "../../../services/gateway/dashboard/js/streamed.js";

const PASSAGES = 'event: passages\ndata: [{"text":"p"}]\n\n';
const STEP = 'event: step\ndata: {"question":"Which?","passages":2}\n\n';
const TOKENS = 'event: token\ndata: {"text":"At "}\n\nevent: token\ndata: {"text":"noon"}\n\n';
const DONE = 'event: done\ndata: {"answer":"At noon","session_id":"s"}\n\n';

/** Asks a server that says this; what was told on the way, and what was sent. */
async function asked(body, type = "text/event-stream") {
  const heard = [];
  const view = { found: (list) => heard.push(list.length), add: (text) => heard.push(text), step: ({ question }) => heard.push(question) };
  let sent;
  globalThis.fetch = async (path, init) => {
    sent = { path, body: JSON.parse(init.body) };
    return new Response(body, { headers: { "content-type": type } });
  };
  const answer = await streamed("/chat", { message: "When?" }, view, new AbortController().signal).catch((error) => error);
  return { answer, heard, sent };
}

test("words come before the whole answer", async () => {
  const { answer, heard, sent } = await asked(PASSAGES + TOKENS + DONE);
  assert.deepEqual(answer, { answer: "At noon", session_id: "s" });
  assert.deepEqual(heard, [1, "At ", "noon"]);
  assert.deepEqual(sent, { path: "/chat", body: { message: "When?", stream: true } });
});

test("the steps on the way are told", async () => {
  const { heard } = await asked(PASSAGES + STEP + TOKENS + DONE);
  assert.deepEqual(heard, [1, "Which?", "At ", "noon"]);
});

test("one that breaks off is an error", async () => {
  const { answer, heard } = await asked(PASSAGES + TOKENS);
  assert.match(answer.message, /broke off/);
  assert.deepEqual(heard, [1, "At ", "noon"]);
});

test("an error on the way is told with its status", async () => {
  const { answer } = await asked(`${TOKENS}event: error\ndata: {"status":503,"detail":"try again"}\n\n`);
  assert.equal(answer.status, 503);
  assert.equal(answer.message, "try again");
});

test("a server that answers at once is understood", async () => {
  const { answer, heard } = await asked('{"answer":"whole"}', "application/json");
  assert.deepEqual(answer, { answer: "whole" });
  assert.deepEqual(heard, []);
});
