// Small pieces that several pages show: badges, bars, times, empty states, what went wrong.

import { h, replace, setText } from "./dom.js";
import { exact, percent, relative, words } from "./format.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

const TONES = {
  complete: "good",
  indexed: "good",
  delivered: "good",
  failed: "bad",
  rejected: "bad",
  not_sent: "bad",
  given_up: "bad",
  complete_with_failures: "warn",
  paused: "warn",
  failing: "warn",
  cancelled: "off",
  waiting: "off",
  accepted: "off",
  pending: "off",
};

/** Names that say more to a person than those of the API. */
const NAMES = { accepted: "Queued", rejected: "Refused", not_sent: "Not sent", waiting: "Waiting", sending: "Uploading" };

/** A stage or status in words. */
export function stageName(stage) {
  return NAMES[stage] ?? words(stage);
}

/** A stage or status as a coloured label. */
export function badge(stage, text = stageName(stage)) {
  return h("span", { class: `badge ${TONES[stage] ?? "busy"}` }, text);
}

/** Changes a badge that is shown. */
export function setBadge(element, stage, text = stageName(stage)) {
  const tone = `badge ${TONES[stage] ?? "busy"}`;
  if (element.className !== tone) element.className = tone;
  setText(element, text);
}

/** A progress bar; `set(share, tone)` moves it. */
export function bar(label) {
  const fill = h("div.bar-fill");
  const element = h("div.bar", { role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const set = (share, tone = "") => {
    fill.style.width = `${share}%`;
    element.className = `bar ${tone}`;
    element.setAttribute("aria-valuenow", Math.floor(share));
    element.setAttribute("aria-valuetext", percent(share));
  };
  set(0);
  return { element, set };
}

/** The colour of a bar. */
export function toneOf(status) {
  return { complete: "good", complete_with_failures: "warn", failed: "bad", paused: "warn", cancelled: "off" }[status] ?? "";
}

/** How long ago; the exact time on hovering. */
export function ago(time) {
  if (!time) return h("span.muted", null, "–");
  return h("time", { datetime: time, title: exact(time) }, relative(time));
}

/** Keeps all times on the page true. */
export function tickTimes() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time[datetime]")) setText(element, relative(element.dateTime));
  }, 10_000);
}

/** A button; `options.icon` alone makes it one without text, and then the text is its label. */
export function button(text, options = {}) {
  const { icon: name, iconOnly, kind = "", ...props } = options;
  const label = iconOnly ? { "aria-label": text, title: text } : {};
  const classes = iconOnly ? `icon-button ${kind}` : kind;
  return h("button", { type: "button", class: classes, ...label, ...props }, name && icon(name), iconOnly ? null : h("span", null, text));
}

/** A labelled control, with a hint and a place for what is wrong with it. */
export function field(label, control, hint) {
  const id = control.id || `f${Math.random().toString(36).slice(2, 9)}`;
  control.id = id;
  const note = h("p.hint", { id: `${id}-hint` }, hint);
  if (hint) control.setAttribute("aria-describedby", note.id);
  const element = h("div.field", null, h("label", { for: id }, label), control, hint && note);
  return element;
}

/** A choice of one of `options`: `[value, text]`. */
export function select(options, props) {
  const { value, ...rest } = props ?? {};
  const element = h("select", rest, options.map(([name, text]) => h("option", { value: name }, text)));
  if (value != null) element.value = value;
  return element;
}

/** Terms and what they are. Those without a value are left out. */
export function facts(entries) {
  const given = entries.filter(([, value]) => value != null && value !== "" && value !== false);
  return h("dl.facts", null, given.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

/** Copies text, and says so. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("The browser does not allow copying here", "bad");
  }
}

/** Lines for a terminal, with a button that copies them. */
export function terminal(command) {
  const copy = button("Copy command", { icon: "copy", iconOnly: true, onclick: () => copyText(command) });
  return h("div.terminal", null, h("pre", { tabindex: 0, "aria-label": "Command" }, command), copy);
}

/** What stands where nothing is yet: what this is for, and how to begin. */
export function empty(title, text, ...rest) {
  return h("div.empty", null, h("p.empty-title", null, title), h("p.muted", null, text), rest);
}

/** What went wrong, where it went wrong. */
export function failed(error, again) {
  return h(
    "div.notice.bad",
    { role: "alert" },
    icon("alert"),
    h("div", null, h("p", null, error.message), again && button("Try again", { icon: "retry", onclick: again })),
  );
}

/** A page's heading with what belongs beside it. */
export function heading(title, ...actions) {
  return h("header.page-head", null, h("h1", { tabindex: -1 }, title), actions.length > 0 && h("div.actions", null, actions));
}

/**
 * Fills a place with what a promise brings: waiting, wrong, or there.
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 * @param {() => Promise<any>} load
 */
export async function fillWith(place, signal, load) {
  if (!place.hasChildNodes()) replace(place, h("p.muted.loading", { role: "status" }, "Loading…"));
  try {
    const content = await load();
    if (!signal.aborted) replace(place, content);
  } catch (error) {
    if (!signal.aborted) replace(place, failed(error, () => fillWith(replace(place), signal, load)));
  }
}

/** Runs what a button stands for: the button waits, and an error is told. */
export async function act(element, work) {
  element.disabled = true;
  try {
    return await work();
  } catch (error) {
    toast(error.message, "bad");
    return undefined;
  } finally {
    element.disabled = false;
  }
}
