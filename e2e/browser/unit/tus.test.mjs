// The tus client against a server in memory, with every fault in between.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { test } from "node:test";
import { capabilities, encodeMetadata, fingerprint, Memory, PIECE, Refused, terminate, upload } from "../../../services/gateway/dashboard/js/tus.js";

class Storage {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  setItem(key, value) {
    this[key] = value;
  }
  removeItem(key) {
    delete this[key];
  }
}

/** A server that keeps one upload; `faults` are taken one for each request: a function makes the answer, null is none. */
function server(faults = []) {
  const state = { offset: 0, length: null, created: 0, log: [], gone: false };
  const answer = (status, headers = {}, body = {}) => ({ status, header: (name) => headers[name] ?? null, text: JSON.stringify(body) });
  const handle = ({ method, headers, body }) => {
    if (method === "POST") {
      state.created += 1;
      Object.assign(state, { offset: 0, length: Number(headers["Upload-Length"]), gone: false, metadata: headers["Upload-Metadata"] });
      return answer(201, { Location: "/uploads/1" });
    }
    if (state.gone) return answer(404);
    if (method === "HEAD") return answer(200, { "Upload-Offset": String(state.offset), "Upload-Length": String(state.length) });
    if (method === "GET") return answer(200, {}, { file: { job_id: "job", document_id: "doc", duplicate: false } });
    if (method === "DELETE") {
      state.gone = true;
      return answer(204);
    }
    if (Number(headers["Upload-Offset"]) !== state.offset) return answer(409);
    state.offset += body.size;
    const done = state.offset === state.length ? { "Ragstream-Job-Id": "job", "Ragstream-Document-Id": "doc", "Ragstream-Duplicate": "false" } : {};
    return answer(204, { "Upload-Offset": String(state.offset), ...done });
  };
  const request = async (what) => {
    state.log.push(what.method);
    const fault = faults.shift();
    return fault ? fault(() => handle(what), answer) : handle(what);
  };
  return { state, request };
}

const lost = () => {
  throw new TypeError("the connection broke off");
};

function file(size, name = "a.bin") {
  return new File([new Uint8Array(size)], name, { lastModified: 5 });
}

function send(one, { request }, more = {}) {
  return upload({ file: one, endpoint: "/uploads", metadata: { filename: one.name }, memory: new Memory(new Storage()), request, pause: async () => {}, ...more });
}

const DONE = { documentId: "doc", jobId: "job", duplicate: false };

test("a file goes up in pieces", async () => {
  const s = server();
  const sent = [];
  assert.deepEqual(await send(file(2 * PIECE + 5), s, { onSent: (n) => sent.push(n) }), DONE);
  assert.deepEqual(s.state.log, ["POST", "PATCH", "PATCH", "PATCH"]);
  assert.deepEqual(sent, [0, PIECE, 2 * PIECE, 2 * PIECE + 5]);
});

test("a piece that is lost is sent again from where the server is", async () => {
  const s = server([null, null, lost]);
  assert.deepEqual(await send(file(2 * PIECE), s), DONE);
  assert.deepEqual(s.state.log, ["POST", "PATCH", "PATCH", "HEAD", "PATCH"]);
  assert.equal(s.state.created, 1);
});

test("a piece that arrived, and whose answer was lost, is not sent twice", async () => {
  const arrives = (go) => (go(), lost());
  const s = server([null, arrives]);
  assert.deepEqual(await send(file(2 * PIECE), s), DONE);
  assert.equal(s.state.offset, 2 * PIECE);
});

test("the last answer is lost: the document is asked for", async () => {
  const s = server([null, (go) => (go(), lost())]);
  assert.deepEqual(await send(file(10), s), DONE);
  assert.deepEqual(s.state.log, ["POST", "PATCH", "HEAD", "GET"]);
});

test("after a reload it goes on where it stopped", async () => {
  const memory = new Memory(new Storage());
  const s = server();
  const abort = new AbortController();
  const stop = { ...s, request: async (what) => (s.state.log.filter((m) => m === "PATCH").length === 1 && what.method === "PATCH" ? (abort.abort(), lost()) : s.request(what)) };
  await assert.rejects(send(file(2 * PIECE), stop, { memory, signal: abort.signal, batchId: "b" }));
  assert.deepEqual(memory.get(fingerprint(file(2 * PIECE))), { url: "/uploads/1", batchId: "b", name: "a.bin", size: 2 * PIECE });
  s.state.log.length = 0;
  assert.deepEqual(await send(file(2 * PIECE), s, { memory }), DONE);
  assert.deepEqual(s.state.log, ["HEAD", "PATCH"]);
  assert.deepEqual(memory.all(), []);
});

test("an upload that the server forgot is begun anew", async () => {
  const memory = new Memory(new Storage());
  memory.set(fingerprint(file(10)), { url: "/uploads/1", name: "a.bin", size: 10 });
  const s = server();
  s.state.gone = true;
  assert.deepEqual(await send(file(10), s, { memory }), DONE);
  assert.deepEqual(s.state.log, ["HEAD", "POST", "PATCH"]);
});

test("a refusal is final, and told with its reason", async () => {
  const s = server([null, (_, answer) => answer(415, {}, { detail: "no such type" })]);
  const memory = new Memory(new Storage());
  await assert.rejects(send(file(10), s, { memory }), (error) => error instanceof Refused && error.message === "no such type");
  assert.deepEqual(memory.all(), []);
  assert.equal(s.state.log.length, 2);
});

test("a lost connection is waited for, however often; a server that answers with errors is not", async () => {
  const s = server([null, ...Array(40).fill(lost)]);
  assert.deepEqual(await send(file(10), s), DONE);
  const broken = server([null, ...Array(40).fill((_, answer) => answer(503, {}, { detail: "away" }))]);
  await assert.rejects(send(file(10), broken), /away/);
});

test("metadata of any script", () => {
  assert.equal(encodeMetadata({ filename: "é.txt", empty: "", none: undefined, priority: "5" }), "filename w6kudHh0,priority NQ==");
});

test("what tells a file from others: path, size, time", () => {
  const prints = [fingerprint(file(1)), fingerprint(file(2)), fingerprint(file(1, "b.bin")), fingerprint(file(1), "x/a.bin")];
  assert.equal(new Set(prints).size, 4);
});

test("what the server can do", async () => {
  const answering = (status, headers) => async () => ({ status, header: (name) => headers[name] ?? null, text: "" });
  assert.deepEqual(await capabilities("/u", answering(204, { "Tus-Version": "1.0.0", "Tus-Max-Size": "99" })), { maxSize: 99 });
  assert.deepEqual(await capabilities("/u", answering(204, { "Tus-Version": "1.0.0" })), { maxSize: Infinity });
  assert.equal(await capabilities("/u", answering(404, {})), null);
});

test("an upload that is cancelled is ended on the server too", async () => {
  const memory = new Memory(new Storage());
  memory.set(fingerprint(file(10)), { url: "/uploads/1", name: "a.bin", size: 10 });
  const s = server();
  await terminate(file(10), "a.bin", memory, s.request);
  assert.ok(s.state.gone);
  assert.deepEqual(memory.all(), []);
});
