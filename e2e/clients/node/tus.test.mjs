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

/** A sound of these samples: large to send, and little to read. */
function wave(samples) {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write("WAVEfmt ", 8);
  // 16 bytes follow: PCM, one channel, 8,000 bytes a second, 8 bits a sample.
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

test("an upload that was stopped is resumed where it was, and ends as the same bytes", async () => {
  const sound = wave(randomBytes(12 * MIB));
  const metadata = { filename: "large.wav", collection: unique("tus-node") };
  const options = { chunkSize: 5 * MIB, metadata };
  const stopped = await send(sound, options, (upload, sent, resolve) => {
    if (sent >= 5 * MIB) upload.abort().then(() => resolve(upload));
  });
  assert.ok(stopped.url);

  const head = await fetch(stopped.url, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } });
  const offset = Number(head.headers.get("upload-offset"));
  assert.ok(offset >= 5 * MIB && offset < sound.length, String(offset));

  await send(sound, { ...options, uploadUrl: stopped.url });
  const ended = await (await fetch(stopped.url, { headers: { accept: "application/json" } })).json();
  const document = await (await fetch(`${url}/api/v2/documents/${ended.file.document_id}`)).json();
  assert.equal(document.sha256, createHash("sha256").update(sound).digest("hex"));
});

test("parts that were sent side by side are one document", async () => {
  const text = Buffer.from(`${FACT}\n`.repeat(400));
  const metadata = { filename: "parts.txt", collection: unique("tus-node") };
  const upload = await send(text, { parallelUploads: 3, metadata, metadataForPartialUploads: metadata });
  const ended = await (await fetch(upload.url, { headers: { accept: "application/json" } })).json();
  await complete(ended.file.job_id);
});
