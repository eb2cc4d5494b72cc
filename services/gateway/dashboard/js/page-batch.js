// One upload: its files, how far each is, and what can be done with all of them or one.

import { isOver } from "./batch.js";
import { batch, commandBatch, followBatch } from "./batches.js";
import { beforePaint, h, replace, setText } from "./dom.js";
import { fileRow } from "./filerow.js";
import { count, duration, percent, plural } from "./format.js";
import { controlSending, isSending } from "./sender.js";
import { toast } from "./toast.js";
import { act, ago, badge, bar, button, empty, heading, setBadge, toneOf } from "./widgets.js";
import { windowed } from "./windowed.js";

const FILTERS = {
  all: { text: "All", takes: () => true, counts: (c) => c.total },
  active: { text: "Under way", takes: (row) => !isOver(row.status), counts: (c) => c.active + c.paused },
  complete: { text: "Complete", takes: (row) => row.status === "complete", counts: (c) => c.complete },
  failed: {
    text: "Failed",
    takes: (row) => ["failed", "rejected", "not_sent"].includes(row.status),
    counts: (c) => c.failed + c.rejected + c.not_sent,
  },
};
const COMMANDS = {
  pause: { text: "Pause", icon: "pause", done: "paused" },
  resume: { text: "Resume", icon: "play", done: "resumed" },
  cancel: { text: "Cancel", icon: "stop", done: "cancelled" },
  retry: { text: "Retry failed", icon: "retry", done: "begun again" },
};

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { params, signal }) {
  const one = batch(params.id);
  let filter = "all";
  let wanted = "";

  const commands = Object.fromEntries(Object.keys(COMMANDS).map((name) => [name, commandButton(one, name)]));
  const head = heading("Upload", Object.values(commands));
  const state = badge("processing");
  const progress = bar("Progress of the upload");
  const share = h("span.big-number");
  const since = h("span.muted");
  const figures = h("dl.figures");
  const figure = Object.fromEntries(["Files", "Complete", "Failed", "Refused", "Not sent", "Chunks", "Time left"].map((name) => [name, h("dd")]));
  for (const [name, value] of Object.entries(figure)) figures.append(h("div", { "data-figure": name }, h("dt", null, name), value));
  const filters = Object.entries(FILTERS).map(([name, { text }]) => {
    const number = h("span.muted");
    const element = h("button.tab", { type: "button", onclick: () => choose(name) }, `${text} `, number);
    return { name, element, number };
  });
  const find = () => {
    wanted = search.value.toLowerCase();
    redraw();
  };
  const search = h("input", { type: "search", placeholder: "Find a file", "aria-label": "Find a file", oninput: find });
  const rows = windowed({ label: "Files of this upload", key: (row) => row.key, make: fileRow(() => one), signal });
  const nothing = h("div", { hidden: true }, empty("No file here", "No file of this upload is in this state, or has such a name."));
  const announce = h("p.visually-hidden", { role: "status" });

  function choose(name) {
    filter = name;
    redraw();
  }

  function draw() {
    if (signal.aborted) return;
    const counts = one.counts();
    const chunks = one.chunks();
    setText(head.querySelector("h1"), one.title);
    setBadge(state, one.status);
    progress.set(one.percent, toneOf(one.status));
    setText(share, percent(one.percent));
    if (!since.hasChildNodes() && one.createdAt) replace(since, "Begun ", ago(one.createdAt));
    setText(figure.Files, count(counts.total));
    setText(figure.Complete, count(counts.complete));
    setText(figure.Failed, count(counts.failed));
    setText(figure.Refused, count(counts.rejected));
    setText(figure["Not sent"], count(counts.not_sent));
    setText(figure.Chunks, `${count(chunks.done)} / ${count(chunks.total)}`);
    const eta = one.server?.eta_seconds;
    setText(figure["Time left"], one.status !== "processing" ? "–" : eta == null ? "not known yet" : duration(eta));
    for (const { name, element, number } of filters) {
      element.setAttribute("aria-pressed", name === filter);
      setText(number, count(FILTERS[name].counts(counts)));
    }
    const list = [...one.rows.values()].filter((row) => FILTERS[filter].takes(row) && row.path.toLowerCase().includes(wanted));
    rows.set(list);
    nothing.hidden = list.length > 0 || one.rows.size === 0;
    commands.pause.hidden = one.isOver || counts.active === 0;
    commands.resume.hidden = counts.paused === 0;
    commands.cancel.hidden = one.isOver;
    commands.retry.hidden = counts.failed === 0;
    if (one.isOver) setText(announce, `The upload is over: ${plural(counts.complete, "file")} complete, ${counts.failed} failed, ${counts.rejected} refused.`);
  }
  const redraw = () => beforePaint(draw);
  one.addEventListener("change", redraw, { signal });

  root.append(
    h("a.back", { href: "#/" }, "All uploads"),
    head,
    h("section.card", { "aria-label": "Progress" }, h("div.card-head", null, share, state, h("span.spacer"), since), progress.element, figures),
    h("div.toolbar", null, h("div.tabs", { role: "group", "aria-label": "Show files" }, filters.map(({ element }) => element)), search),
    rows.element,
    nothing,
    announce,
  );
  draw();
  followBatch(one, signal);
  // An address of one that this page no longer knows.
  if (!one.local && !one.isOnServer) replace(root, empty("This upload is not known any more", "Its documents are in the list of documents.", h("a", { href: "#/documents" }, "Documents")));
}

function commandButton(one, name) {
  const { text, icon, done } = COMMANDS[name];
  const element = button(text, {
    icon,
    hidden: true,
    onclick: () =>
      act(element, async () => {
        const sending = isSending(one);
        controlSending(one, name);
        const result = await commandBatch(one, name);
        const refused = result.refused ? `, ${plural(result.refused, "file")} could not be` : "";
        if (!sending || result.done) toast(`${plural(result.done, "file")} ${done}${refused}`);
      }),
  });
  return element;
}
