// Sending dead letters back: what would be done first, then what was done, then what came of it.

import { api } from "./api.js";
import { isOver } from "./batch.js";
import { open } from "./dialog.js";
import { h, replace } from "./dom.js";
import { count, plural, words } from "./format.js";
import { act, badge, button, failed } from "./widgets.js";

const PATH = "/api/v2/dead-letters/redrive";
/** Pause between two looks at the jobs, in milliseconds. */
const LOOK_EVERY = 700;
/** Jobs whose outcome is watched. */
const WATCHED = 20;

/**
 * Opens the dialog of a redrive.
 * @param {object} request as the API takes it, without `dry_run`
 * @param {string} what it is in words
 * @param {{job_id?: string, key?: string}[]} letters those whose outcome is shown, as far as they are known
 * @param {() => void} onDone
 */
export function redrive(request, what, letters, onDone) {
  const body = h("div.dialog-body");
  const foot = h("div.dialog-actions");
  const dialog = open("Redrive", h("p", null, what), body, foot);
  const over = new AbortController();
  let sent = false;
  dialog.addEventListener("close", () => {
    over.abort();
    if (sent) onDone();
  });
  const close = (text) => button(text, { onclick: () => dialog.close() });

  async function tryOut(force) {
    const options = { ...request, ...(force && { force }) };
    replace(body, h("p.muted.loading", { role: "status" }, "Looking what would be sent…"));
    try {
      const plan = await api(PATH, { json: { ...options, dry_run: true }, signal: over.signal });
      showPlan(plan, options);
    } catch (error) {
      if (!over.signal.aborted) replace(body, failed(error, () => tryOut(force)));
    }
  }

  function showPlan(plan, options) {
    const guarded = plan.skipped.some(({ reason }) => ["already_redriven", "too_many_redrives"].includes(reason));
    const box = h("input", { type: "checkbox", checked: Boolean(options.force), onchange: () => tryOut(box.checked) });
    const force = (guarded || options.force) && h("label.check", null, box, "Send back those too that were sent before");
    replace(body, h("p.dry-run", null, h("strong", null, plural(plan.redriven, "letter")), ` of ${count(plan.matched)} would be sent back.`, plan.next && " There are more: this takes the newest, do it again for the rest."), skippedList(plan.skipped), force);
    const go = button(`Redrive ${plural(plan.redriven, "letter")}`, { kind: "primary", disabled: plan.redriven === 0, onclick: () => act(go, () => send(options)) });
    replace(foot, close("Cancel"), go);
    go.focus();
  }

  async function send(options) {
    const result = await api(PATH, { json: options });
    sent = true;
    const outcomes = h("ul.outcomes", { "aria-label": "What came of it", "aria-live": "polite" });
    const audit = result.redrive_id && h("p.muted.small", null, "On record in the ", h("a", { href: "#/dead-letters/audit", onclick: () => dialog.close() }, "audit"), ".");
    replace(body, h("p.done", { role: "status" }, `${plural(result.redriven, "letter")} sent back.`), skippedList(result.skipped), outcomes, audit);
    replace(foot, close("Close"));
    foot.firstChild.focus();
    const jobs = [...new Set(letters.map((letter) => letter.job_id).filter(Boolean))];
    await Promise.all(jobs.slice(0, WATCHED).map((id) => watch(id, outcomes, over.signal)));
  }

  void tryOut(false);
}

/** Shows a job until it is over. */
async function watch(jobId, list, signal) {
  const item = h("li", null, "…");
  list.append(item);
  while (!signal.aborted) {
    const job = await api(`/api/v2/documents/status/${jobId}`, { signal }).catch(() => null);
    if (!job) return item.remove();
    const link = h("a", { href: `#/documents/${job.document_id}?tab=history`, onclick: () => item.closest("dialog").close() }, job.current_file);
    replace(item, link, " ", badge(job.stage), job.failure && h("p.bad-text.small", null, job.stage === "failed" ? `It failed: ${job.failure.message}` : job.failure.message));
    if (isOver(job.stage)) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
  return undefined;
}

function skippedList(skipped) {
  if (skipped.length === 0) return null;
  return h("div", null, h("p", null, "Left out:"), h("ul.plain", null, skipped.map(({ reason, count: n, detail }) => h("li", null, `${count(n)} × ${words(reason)}: `, h("span.muted", null, detail)))));
}
