// A file of a batch as a row: how far it is, why it failed, and what can be done with it.

import { commandJob } from "./batches.js";
import { isOver } from "./batch.js";
import { h, replace, setText } from "./dom.js";
import { bytes, count, duration, percent } from "./format.js";
import { act, badge, bar, button, setBadge, toneOf } from "./widgets.js";

const COMMANDS = {
  pause: { text: "Pause", icon: "pause" },
  resume: { text: "Resume", icon: "play" },
  cancel: { text: "Cancel", icon: "stop" },
  retry: { text: "Retry", icon: "retry" },
};

/** What can be done with a file now. */
function commandsOf({ job, status, duplicate }) {
  if (!job || duplicate) return [];
  if (status === "failed") return ["retry"];
  if (status === "paused") return ["resume", "cancel"];
  // What is about to be searchable can't be held any more.
  return isOver(status) || status === "indexing" ? [] : ["pause", "cancel"];
}

/** What there is to say of a file, in a line. */
function tellingOf(row) {
  if (row.reason) return row.reason;
  if (row.note) return row.note;
  if (row.warning && ["waiting", "sending"].includes(row.status)) return row.warning;
  if (row.status === "sending" && row.size) return `${bytes(row.sent)} of ${bytes(row.size)} sent`;
  const parts = [];
  if (row.duplicate) parts.push("already there: the same bytes were uploaded before");
  if (row.job?.chunks?.total) parts.push(`${count(row.job.chunks.done)} of ${count(row.job.chunks.total)} chunks`);
  else if (row.status === "complete" && row.job?.chunks_total) parts.push(`${count(row.job.chunks_total)} chunks`);
  if (row.job?.eta_seconds != null && row.status !== "paused" && !isOver(row.status)) parts.push(`about ${duration(row.job.eta_seconds)} left`);
  return parts.join(" · ");
}

/**
 * @param {(row: import("./batch.js").Row) => import("./batch.js").Batch} batchOf
 * @returns {(row: import("./batch.js").Row) => {element: HTMLElement, update: (row: import("./batch.js").Row) => void}}
 */
export function fileRow(batchOf) {
  return (first) => {
    let current = first;
    const name = h("span.file-name");
    const size = h("span.file-size.muted");
    const state = badge(first.status);
    const telling = h("p.file-telling");
    const progress = bar(`Progress of ${first.name}`);
    const share = h("span.file-percent");
    const actions = h("div.row-actions");
    let offered = "";

    function offer(commands) {
      if (offered === commands.join()) return;
      offered = commands.join();
      const kept = document.activeElement?.dataset?.command;
      replace(actions, commands.map((command) => commandButton(command)));
      // The button that was pressed may have gone: its place keeps the focus.
      if (kept !== undefined && actions.firstChild && !document.activeElement?.closest("li")) actions.firstChild.focus();
    }

    function commandButton(command) {
      const { text, icon } = COMMANDS[command];
      const label = `${text} ${current.name}`;
      return button(label, {
        icon,
        iconOnly: true,
        "data-command": command,
        onclick: (event) => act(event.currentTarget, () => commandJob(batchOf(current), current, command)),
      });
    }

    function update(row) {
      current = row;
      const href = row.job?.document_id && `#/documents/${row.job.document_id}`;
      const folder = row.path.slice(0, row.path.length - row.name.length);
      if (name.dataset.href !== String(href)) {
        name.dataset.href = String(href);
        const title = [folder && h("span.muted", null, folder), row.name];
        replace(name, href ? h("a", { href, title: row.path }, title) : h("span", { title: row.path }, title));
      }
      setText(size, row.size ? bytes(row.size) : "");
      setBadge(state, row.status);
      const text = tellingOf(row);
      setText(telling, text);
      telling.title = text;
      telling.classList.toggle("bad-text", Boolean(row.reason));
      const failed = ["failed", "rejected", "not_sent"].includes(row.status);
      progress.set(row.percent, failed ? "bad" : toneOf(row.status));
      setText(share, failed || row.status === "cancelled" ? "–" : percent(row.percent));
      offer(commandsOf(row));
    }

    const element = h(
      "li.file-row",
      null,
      h("div.file-main", null, h("div.file-title", null, name, size), telling),
      h("div.file-state", null, state),
      h("div.file-progress", null, progress.element, share),
      actions,
    );
    return { element, update };
  };
}
