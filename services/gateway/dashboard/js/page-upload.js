// Uploading: choosing files, what is under way, and earlier uploads.

import { api, apiIfThere } from "./api.js";
import { Batch, isOver } from "./batch.js";
import { followAll, fromServer, localBatches } from "./batches.js";
import { beforePaint, h, replace, setText } from "./dom.js";
import { checkCollection, checkMetadata, fromInput } from "./files.js";
import { fileRow } from "./filerow.js";
import { bytes, count, duration, percent, plural } from "./format.js";
import { icon } from "./icons.js";
import { go } from "./router.js";
import { begin, memory } from "./sender.js";
import { staging } from "./staging.js";
import { act, ago, badge, bar, button, empty, field, heading, select, setBadge, terminal, toneOf } from "./widgets.js";
import { windowed } from "./windowed.js";

/** Earlier batches that are listed. */
const LISTED = 20;

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { signal }) {
  replace(root, heading("Upload"), chooser(), stagingArea(signal), interrupted(), overview(signal));
}

function chooser() {
  const files = picker({ multiple: true });
  const folder = picker({ webkitdirectory: true });
  return h(
    "section.drop",
    { "aria-label": "Choose files" },
    h("div.drop-icon", null, icon("upload")),
    h("p.drop-title", null, "Drop files or folders anywhere on this page"),
    h("p.muted", null, "PDF, Office, mail, web pages, text, source code, archives and more"),
    h(
      "div.actions",
      null,
      button("Choose files", { icon: "file", kind: "primary", onclick: () => files.click() }),
      button("Choose a folder", { icon: "folder", onclick: () => folder.click() }),
    ),
    files,
    folder,
  );
}

function picker(props) {
  const input = h("input", { type: "file", hidden: true, "aria-hidden": "true", tabindex: -1, ...props });
  input.addEventListener("change", () => {
    void staging.add(fromInput(input));
    // The same files can be picked again.
    input.value = "";
  });
  return input;
}

/** What was chosen, with what is to be said of it, before it is sent. */
function stagingArea(signal) {
  const area = h("section.card", { "aria-label": "Chosen files", hidden: true });
  const summary = h("p.staged-summary", { role: "status" });
  const list = windowed({ label: "Chosen files", key: (entry) => entry.path + entry.size, make: stagedRow, signal });
  const { form, read } = optionsForm();
  const send = button("Upload", {
    kind: "primary",
    icon: "upload",
    onclick: () =>
      act(send, async () => {
        const options = read();
        if (!options) return;
        const batches = await begin(staging.take(), options);
        go(`#/batches/${batches.at(-1).id}`);
      }),
  });
  const clear = button("Clear", { onclick: () => staging.take() });
  area.append(h("h2", null, "Ready to upload"), summary, form, h("div.actions", null, send, clear), list.element);

  function draw() {
    const { entries } = staging;
    const wasHidden = area.hidden;
    area.hidden = entries.length === 0;
    const good = entries.filter((entry) => !entry.problem);
    const warned = good.filter((entry) => entry.warning).length;
    const total = good.reduce((sum, entry) => sum + entry.size, 0);
    const parts = [`${plural(good.length, "file")}, ${bytes(total)}`];
    if (warned) parts.push(`${warned} will likely be refused`);
    if (good.length < entries.length) parts.push(`${entries.length - good.length} can't be sent`);
    setText(summary, parts.join(" · "));
    setText(send.lastChild, `Upload ${plural(good.length, "file")}`);
    send.disabled = good.length === 0;
    // What is wrong comes first: it must be seen.
    const rank = (entry) => (entry.problem ? 0 : entry.warning ? 1 : 2);
    list.set(entries.toSorted((a, b) => rank(a) - rank(b)));
    if (wasHidden && entries.length) send.focus({ preventScroll: false });
  }
  staging.addEventListener("change", draw, { signal });
  draw();
  return area;
}

function stagedRow(entry) {
  const text = entry.problem ?? entry.warning ?? "";
  const remove = button(`Remove ${entry.name}`, { icon: "stop", iconOnly: true, onclick: () => staging.remove(entry) });
  const element = h(
    "li.staged-row",
    null,
    h("div.file-title", null, h("span.file-name", { title: entry.path }, entry.path), h("span.file-size.muted", null, bytes(entry.size))),
    h("span", { class: entry.problem ? "bad-text" : "warn-text", title: text }, text),
    remove,
  );
  return { element, update: () => {} };
}

function optionsForm() {
  const collection = h("input", { type: "text", placeholder: "default", autocomplete: "off", spellcheck: "false" });
  const priorities = Array.from({ length: 10 }, (_, n) => [String(n), { 0: "0 – last", 5: "5 – normal", 9: "9 – first" }[n] ?? String(n)]);
  const priority = select(priorities, { value: "5" });
  const name = h("input", { type: "text", placeholder: "Quarterly reports", autocomplete: "off" });
  const metadata = h("textarea", { rows: 2, placeholder: '{"team": "red"}', spellcheck: "false" });
  const wrong = h("p.bad-text", { role: "alert" });
  const check = () => {
    const why = checkCollection(collection.value.trim()) || checkMetadata(metadata.value);
    collection.setAttribute("aria-invalid", Boolean(checkCollection(collection.value.trim())));
    metadata.setAttribute("aria-invalid", Boolean(checkMetadata(metadata.value)));
    setText(wrong, why);
    return !why;
  };
  collection.addEventListener("change", check);
  metadata.addEventListener("change", check);
  const form = h(
    "details.options",
    null,
    h("summary", null, "Options: collection, priority, metadata"),
    h(
      "div.form-grid",
      null,
      field("Collection", collection, "Questions can be limited to it."),
      field("Priority", priority),
      field("Name of this upload", name),
      field("Metadata (JSON)", metadata, "Kept with every file; questions can be filtered by it."),
    ),
    wrong,
  );
  const read = () => {
    if (!check()) {
      form.open = true;
      return null;
    }
    return {
      collection: collection.value.trim(),
      priority: priority.value,
      metadata: metadata.value.trim(),
      name: name.value.trim() || undefined,
    };
  };
  return { form, read };
}

/** Uploads that broke off when the page was closed: the files have to be chosen again. */
function interrupted() {
  const begun = localBatches().some((one) => !one.isOver) ? [] : memory.all();
  if (begun.length === 0) return null;
  const forget = button("Forget", {
    onclick: () => {
      for (const { print } of begun) memory.remove(print);
      notice.remove();
    },
  });
  const names = begun.slice(0, 3).map(({ name, size }) => `${name} (${bytes(size)})`).join(", ");
  const text = `${plural(begun.length, "upload")} broke off: ${names}${begun.length > 3 ? " and more" : ""}. Choose the same files again, and they go on where they stopped.`;
  const notice = h("div.notice", null, icon("alert"), h("div", null, h("p", null, text), forget));
  return notice;
}

/** Batches and jobs of everybody. */
function overview(signal) {
  const list = h("ul.cards");
  const nothing = h("div");
  const cards = new Map();
  const listed = new Map();
  let loaded = false;

  const active = new Batch("active", (job) => Boolean(job.current_file) && !isOver(job.stage));
  const rows = windowed({ label: "Files being processed", key: (row) => row.key, make: fileRow(() => active), signal });
  const activeCount = h("span.muted");
  const activeArea = h("section", { hidden: true }, h("h2", null, "Being processed ", activeCount), rows.element);

  function draw() {
    const all = [...new Set([...localBatches(), ...listed.values()])];
    all.sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
    const elements = all.map((one) => {
      if (!cards.has(one.id)) cards.set(one.id, batchCard(one, signal));
      return cards.get(one.id);
    });
    if (elements.some((element, i) => list.children[i] !== element)) replace(list, elements);
    nothing.hidden = !loaded || elements.length > 0;
    if (!nothing.hidden && !nothing.hasChildNodes()) nothing.append(firstSteps());
    const open = [...active.rows.values()].filter((row) => !isOver(row.status));
    setText(activeCount, count(open.length));
    activeArea.hidden = open.length === 0;
    rows.set(open);
  }
  const redraw = () => !signal.aborted && beforePaint(draw);
  active.addEventListener("change", redraw, { signal });

  const catchUp = async () => {
    const answer = await apiIfThere(`/api/v2/batches?limit=${LISTED}`);
    for (const json of answer?.batches ?? []) listed.set(json.batch_id, fromServer(json));
    const { jobs } = await api("/api/v2/jobs?active=true&limit=1000");
    const still = new Set(jobs.map((job) => job.job_id));
    // What is not active any more has ended unseen.
    for (const row of active.rows.values()) if (!still.has(row.job.job_id)) active.rows.delete(row.key);
    for (const job of jobs) active.mergeJob(job);
    loaded = true;
    redraw();
  };
  const onJob = (job) => active.mergeJob(job);
  const onBatch = (json) => listed.set(json.batch_id, fromServer(json)) && redraw();
  followAll({ onJob, onBatch, catchUp }, signal);
  return [h("section", null, h("h2", null, "Uploads"), list, nothing), activeArea];
}

/** A batch in the list: its bar moves. */
function batchCard(one, signal) {
  const title = h("a.card-title", { href: `#/batches/${one.id}` });
  const state = badge("processing");
  const progress = bar("Progress of the upload");
  const telling = h("span.muted");
  const share = h("span.file-percent");
  const draw = () => {
    setText(title, one.title);
    setBadge(state, one.status);
    progress.set(one.percent, toneOf(one.status));
    setText(share, percent(one.percent));
    setText(telling, countsInWords(one));
  };
  one.addEventListener("change", () => beforePaint(draw), { signal });
  draw();
  return h(
    "li.card.batch-card",
    null,
    h("div.card-head", null, title, state, h("span.spacer"), ago(one.createdAt)),
    h("div.file-progress", null, progress.element, share),
    telling,
  );
}

/** `57 of 60 complete · 2 failed · about 20 s left` */
function countsInWords(one) {
  const counts = one.counts();
  const parts = [`${count(counts.complete)} of ${plural(counts.total, "file")} complete`];
  if (counts.failed) parts.push(`${count(counts.failed)} failed`);
  if (counts.rejected) parts.push(`${count(counts.rejected)} refused`);
  if (counts.not_sent) parts.push(`${count(counts.not_sent)} not sent`);
  if (counts.cancelled) parts.push(`${count(counts.cancelled)} cancelled`);
  if (counts.paused) parts.push(`${count(counts.paused)} paused`);
  if (one.status === "processing" && one.server?.eta_seconds != null) parts.push(`about ${duration(one.server.eta_seconds)} left`);
  return parts.join(" · ");
}

function firstSteps() {
  const command = `curl -F file=@report.pdf -F file=@notes.md \\\n     ${window.location.origin}/api/v2/documents/upload`;
  return empty("No uploads yet", "Drop some files here, or send them from a terminal:", terminal(command));
}
