// What the tests share: the node, and documents that nobody else has.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

export const url = process.env.RAGSTREAM_URL;
if (!url) throw new Error("RAGSTREAM_URL is not set: the address of a running node, such as http://127.0.0.1:8000");

export const FACT = "The lighthouse of Brant Point was lit again on 14 March 1901.";
export const QUESTION = "When was the lighthouse of Brant Point lit again?";

/** A name that no other run has. */
export function unique(name) {
  return `${name}-${randomUUID()}`;
}

/** Uploads a text, and waits until it is searchable. */
export async function upload(collection, text) {
  const form = new FormData();
  form.set("collection", collection);
  form.set("file", new Blob([text]), "note.md");
  const answer = await fetch(`${url}/api/v2/documents/upload`, { method: "POST", body: form });
  if (answer.status !== 202) throw new Error(`the upload was answered ${answer.status}: ${await answer.text()}`);
  const { job_id: job } = await answer.json();
  await complete(job);
}

/** Waits for the end of a job. */
export async function complete(job) {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    const status = await (await fetch(`${url}/api/v2/documents/status/${job}`)).json();
    if (status.stage === "complete") return status;
    if (status.stage === "failed") throw new Error(`job ${job} failed: ${JSON.stringify(status)}`);
    await pause(100);
  }
  throw new Error(`job ${job} did not end`);
}
