// What was dropped or picked, as a flat list of files with their paths; and what can be said of them before they are sent.

import { bytes } from "./format.js";

/** Most files of one upload: past that a page can't show them well, and a folder was likely picked by mistake. */
export const MAX_FILES = 20_000;
/** Extensions that no extractor reads. The server decides; this is a warning. */
const UNSUPPORTED = new Set(
  "app bin class com deb dll dmg dylib exe img iso jar ko lib lnk msi o obj pkg pyc rpm so sys vmdk wasm woff woff2 ttf otf".split(" "),
);
/** Files that systems leave in folders and nobody means to upload. */
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** @typedef {{file: File, path: string}} Found */

/**
 * The files of a drop, those in folders included. Must be called while the event is handled:
 * later the browser empties it.
 * @param {DataTransfer} transfer
 * @returns {Promise<Found[]>}
 */
export function fromDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return gather(entries.filter(Boolean));
}

async function gather(entries) {
  const found = [];
  const waiting = [...entries];
  while (waiting.length && found.length <= MAX_FILES) {
    const entry = waiting.shift();
    if (entry instanceof File) found.push({ file: entry, path: entry.name });
    else if (entry.isDirectory) waiting.push(...(await children(entry)));
    else found.push({ file: await new Promise((ok, no) => entry.file(ok, no)), path: entry.fullPath.replace(/^\//, "") });
  }
  return found.filter(isMeant);
}

async function children(directory) {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    // The reader gives a hundred at a time, and nothing at the end.
    const some = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** The files of a picker; those of a folder come with their paths. */
export function fromInput(input) {
  return [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })).filter(isMeant);
}

function isMeant({ file }) {
  return !LITTER.has(file.name);
}

/**
 * What is wrong with a file before it is sent: `problem` keeps it here, `warning` does not.
 * @param {{name: string, size: number}} file
 * @param {number} maxSize
 * @returns {{problem?: string, warning?: string}}
 */
export function check(file, maxSize) {
  if (file.size === 0) return { problem: "The file is empty." };
  if (file.size > maxSize) return { problem: `The file is larger than the server takes: ${bytes(maxSize)} at most.` };
  const extension = file.name.includes(".") ? file.name.split(".").pop().toLowerCase() : "";
  if (UNSUPPORTED.has(extension)) return { warning: `.${extension} files hold no text that can be read: the server will likely refuse it.` };
  return {};
}

/** What is wrong with a name of a collection, or nothing. */
export function checkCollection(name) {
  if (name === "" || /^[A-Za-z0-9._-]{1,128}$/.test(name)) return "";
  return "Use 1 to 128 letters, digits, dots, underscores or hyphens.";
}

/** What is wrong with metadata, or nothing. */
export function checkMetadata(text) {
  if (text.trim() === "") return "";
  try {
    const value = JSON.parse(text);
    if (value && typeof value === "object" && !Array.isArray(value)) return "";
    return 'Write a JSON object, such as {"team": "red"}.';
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}
