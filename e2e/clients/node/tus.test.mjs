// The tus client, unchanged.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { Upload } from "tus-js-client";
import { FACT, complete, unique, url } from "./support.mjs";

const MIB = 1 << 20;

/** Uploads bytes; resolves to the client's upload, or what `stop` made of it after some progress. */
function send(bytes, options, stop) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(bytes, {
      endpoint: `${url}/api/v2/uploads`,
      retryDelays: null,
      onError: reject,
      onSuccess: () => resolve(upload),
      onChunkComplete: (_, sent) => stop?.(upload, sent, resolve),
      ...options,
    });
    upload.start();
  });
}

test("an upload that was stopped is resumed where it was, and ends as the same bytes", async () => {
  const text = Buffer.concat([Buffer.from(`${FACT}\n`), Buffer.from(randomBytes(9 * MIB).toString("hex"))]);
  const metadata = { filename: "large.txt", collection: unique("tus-node") };
  const options = { chunkSize: 5 * MIB, metadata };
  const stopped = await send(text, options, (upload, sent, resolve) => {
    if (sent >= 5 * MIB) upload.abort().then(() => resolve(upload));
  });
  assert.ok(stopped.url);

  const head = await fetch(stopped.url, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } });
  const offset = Number(head.headers.get("upload-offset"));
  assert.ok(offset >= 5 * MIB && offset < text.length, String(offset));

  await send(text, { ...options, uploadUrl: stopped.url });
  const ended = await (await fetch(stopped.url, { headers: { accept: "application/json" } })).json();
  const document = await (await fetch(`${url}/api/v2/documents/${ended.file.document_id}`)).json();
  assert.equal(document.sha256, createHash("sha256").update(text).digest("hex"));
});

test("parts that were sent side by side are one document", async () => {
  const text = Buffer.from(`${FACT}\n`.repeat(4000));
  const metadata = { filename: "parts.txt", collection: unique("tus-node") };
  const upload = await send(text, { parallelUploads: 3, metadata, metadataForPartialUploads: metadata });
  const ended = await (await fetch(upload.url, { headers: { accept: "application/json" } })).json();
  await complete(ended.file.job_id);
});
