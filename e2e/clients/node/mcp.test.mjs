// The Model Context Protocol's client over streamable HTTP, unchanged.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { FACT, QUESTION, complete, unique, url } from "./support.mjs";

const client = new Client({ name: "test", version: "1" });
const collection = unique("mcp-node");

before(() => client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`))));
after(() => client.close());

test("tools are told with what they take", async () => {
  const { tools } = await client.listTools();
  const names = tools.map(({ name }) => name).sort();
  assert.deepEqual(names, ["ask", "document_status", "list_documents", "search", "upload_document"]);
  for (const tool of tools) assert.ok(tool.description && tool.inputSchema.properties, tool.name);
});

test("a document is uploaded, found, asked about and listed", async () => {
  const call = (name, args) => client.callTool({ name, arguments: args });
  const filename = "lights.md";
  const uploaded = await call("upload_document", { filename, text: `${FACT}\n`, collection, metadata: { year: 1901 } });
  assert.ok(!uploaded.isError, JSON.stringify(uploaded));
  const { document_id: id, job_id: job, consistency_token: min_token } = uploaded.structuredContent;
  await complete(job);

  const found = await call("search", { query: QUESTION, collection, min_token, filter: { year: { lt: 1950 } } });
  assert.equal(found.structuredContent.passages[0].document_id, id);

  const asked = await call("ask", { question: QUESTION, collection });
  assert.match(asked.content[0].text, /14 March 1901.*\[1\] lights\.md/s);
  assert.equal(asked.structuredContent.citations[0].document_id, id);

  const listed = await call("list_documents", { collection });
  assert.deepEqual(listed.structuredContent.documents.map(({ document_id }) => document_id), [id]);

  const status = await call("document_status", { job_id: job });
  assert.equal(status.structuredContent.stage, "complete");
});

test("what is wrong is a result that says what to do", async () => {
  const refused = await client.callTool({ name: "upload_document", arguments: { filename: "a.txt" } });
  assert.ok(refused.isError);
  assert.match(refused.content[0].text, /`text` or `base64`/);
  const unknown = await client.callTool({ name: "ask", arguments: { question: "Why?", mode: "clever" } });
  assert.ok(unknown.isError);
  assert.match(unknown.content[0].text, /clever/);
});

test("a page that had its own name lead here is refused", async () => {
  // Not by `fetch`, which chooses the host itself.
  const status = await new Promise((resolve, reject) => {
    const headers = { host: "evil.example", "content-type": "application/json", accept: "application/json, text/event-stream" };
    const asked = request(`${url}/mcp`, { method: "POST", headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on("error", reject);
    asked.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }));
  });
  assert.equal(status, 403);
});
