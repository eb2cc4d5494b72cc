// OpenAI's client, with nothing changed but its address.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import OpenAI from "openai";
import { FACT, QUESTION, unique, upload, url } from "./support.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const collection = unique("openai-node");
const messages = [{ role: "user", content: QUESTION }];
const ragstream = { collection };

before(() => upload(collection, `# Lights\n\n${FACT}\n`));

test("a chat completion is answered from the documents, with citations", async () => {
  const answer = await client.chat.completions.create({ model: "ragstream", messages, ragstream });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.match(answer.choices[0].message.content, /14 March 1901.*\[1\]/);
  assert.equal(answer.citations[0].quote, FACT);
});

test("a stream says the same, piece by piece", async () => {
  const stream = await client.chat.completions.create({ model: "ragstream", messages, ragstream, stream: true });
  let text = "";
  const ends = [];
  for await (const chunk of stream) {
    text += chunk.choices[0].delta.content ?? "";
    if (chunk.choices[0].finish_reason) ends.push(chunk);
  }
  assert.match(text, /14 March 1901.*\[1\]/);
  assert.equal(ends.length, 1);
  assert.equal(ends[0].citations[0].quote, FACT);
});

test("the helper for streams understands it", async () => {
  const runner = client.chat.completions.stream({ model: "ragstream", messages, ragstream });
  assert.match(await runner.finalContent(), /14 March 1901/);
});

test("a persona is a model", async () => {
  const body = JSON.stringify({ name: unique("keeper"), collection, system_prompt: "Answer as a keeper of lighthouses." });
  const headers = { "content-type": "application/json" };
  const created = await fetch(`${url}/api/v2/personas`, { method: "POST", headers, body });
  assert.equal(created.status, 201);
  const model = `persona-${(await created.json()).persona_id}`;
  const answer = await client.chat.completions.create({ model, messages });
  assert.match(answer.choices[0].message.content, /14 March 1901/);
  assert.equal((await client.models.retrieve(model)).id, model);
  const both = client.chat.completions.create({ model, messages, ragstream });
  await assert.rejects(both, /leave them out/);
});

test("models are listed, and found by name", async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.ok(models.includes("ragstream") && models.includes("ragstream-super-deep"), models.join());
  assert.equal((await client.models.retrieve("ragstream-deep")).id, "ragstream-deep");
});

test("embeddings have unit length, and those of the same meaning are near each other", async () => {
  const { data: models } = await client.models.list();
  const model = models.find(({ id }) => !id.startsWith("ragstream") && !id.startsWith("persona-")).id;
  const input = ["a lamp at sea", "a lighthouse on the coast", "quarterly tax returns"];
  const { data, usage } = await client.embeddings.create({ model, input });
  const dot = (a, b) => a.embedding.reduce((sum, x, i) => sum + x * b.embedding[i], 0);
  assert.ok(Math.abs(dot(data[0], data[0]) - 1) < 1e-4);
  assert.ok(dot(data[0], data[1]) > dot(data[0], data[2]));
  assert.ok(usage.prompt_tokens > 8 && usage.prompt_tokens < 30, String(usage.prompt_tokens));
});

test("what is wrong is an error of the client's own kind that says what to do", async () => {
  const asked = (changes) => client.chat.completions.create({ model: "ragstream", messages, ...changes });
  await assert.rejects(asked({ model: "gpt-4" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /GET \/v1\/models/);
    return true;
  });
  await assert.rejects(asked({ n: 2 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "n");
    return true;
  });
  await assert.rejects(asked({ messages: [{ role: "assistant", content: "Hello" }] }), /end with a message of the user/);
});
