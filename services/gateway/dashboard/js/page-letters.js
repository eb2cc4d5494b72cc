// Dead letters: what was given up, why, and sending it back.

import { api, queryString } from "./api.js";
import { h, replace, setText } from "./dom.js";
import { count, plural } from "./format.js";
import { redrive } from "./redrive.js";
import { rename } from "./router.js";
import { act, ago, button, empty, failed, field, heading, select } from "./widgets.js";

const PAGE = 50;
const TOPICS = ["doc-ingest-requests", "chunk-processing", "chunk-embeddings", "document-lifecycle", "query-requests"];
/** Fields of the filter that a redrive takes too, as they are. */
const FIELDS = ["topic", "error_class", "error_kind", "document_id", "redriven"];

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { query, signal }) {
  const any = [["", "Any"]];
  const control = {
    topic: select([...any, ...TOPICS.map((name) => [name, name])], {}),
    error_kind: select([...any, ["invalid", "Invalid – can never work"], ["failed", "Failed – ran out of attempts"]], {}),
    redriven: select([...any, ["false", "Not sent back yet"], ["true", "Sent back already"]], {}),
    error_class: h("input", { type: "text", placeholder: "corrupt_document", autocomplete: "off", list: "classes" }),
    document_id: h("input", { type: "text", placeholder: "Any", autocomplete: "off", spellcheck: "false" }),
  };
  for (const name of FIELDS) control[name].value = query.get(name) ?? "";
  const classes = h("datalist", { id: "classes" });
  const summary = h("p.muted", { role: "status" });
  const list = h("ul.list", { "aria-label": "Dead letters" });
  const foot = h("div.foot");
  let shown = [];
  let load;

  const filter = () => Object.fromEntries(FIELDS.map((name) => [name, control[name].value.trim()]));
  const begin = () => {
    load?.abort();
    load = new AbortController();
    rename(`#/dead-letters${queryString(filter())}`);
    shown = [];
    replace(list);
    replace(foot);
    setText(summary, "Loading…");
    void more(`/api/v2/dead-letters${queryString({ ...filter(), limit: PAGE })}`, load.signal);
  };
  for (const name of FIELDS) control[name].addEventListener("change", begin);
  signal.addEventListener("abort", () => load?.abort());

  async function more(path, mine) {
    try {
      const page = await api(path, { signal: mine });
      shown.push(...page.letters);
      list.append(...page.letters.map((letter) => letterItem(letter, begin)));
      replace(classes, [...new Set(shown.map((letter) => letter.error_class))].filter(Boolean).map((name) => h("option", { value: name })));
      setText(summary, `${plural(shown.length, "letter")}${page.next ? ", and there may be more" : ""}`);
      const further = button("Show more", { onclick: () => act(further, () => more(page.next, mine)) });
      replace(foot, page.next && further, shown.length === 0 && !page.next && nothing(filter()));
      all.disabled = shown.length === 0 && !page.next;
    } catch (error) {
      if (!mine.aborted) replace(foot, failed(error, begin));
    }
  }

  const all = button("Redrive these…", {
    icon: "retry",
    disabled: true,
    onclick: () => {
      const given = Object.entries(filter()).filter(([, value]) => value !== "");
      const request = Object.fromEntries(given.map(([name, value]) => [name, name === "redriven" ? value === "true" : value]));
      const what = given.length ? `All letters with ${given.map(([name, value]) => `${name} ${value}`).join(", ")}.` : "All letters that there are.";
      redrive(request, what, shown, begin);
    },
  });
  const filters = h(
    "div.form-row.filters",
    null,
    field("Topic", control.topic),
    field("Kind of error", control.error_kind),
    field("Sent back", control.redriven),
    field("Class of error", control.error_class),
    field("Document id", control.document_id),
    classes,
  );
  replace(root, heading("Dead letters", h("a.button", { href: "#/dead-letters/audit" }, "Audit"), all), filters, summary, list, foot);
  begin();
}

/** What a letter is about, in a few words. */
export function subjectOf(letter) {
  const { value } = letter;
  return value?.document?.filename ?? value?.filename ?? letter.document_id ?? letter.key ?? "A record that can't be read";
}

/** Where a letter is shown. */
function letterHref(letter) {
  return `#/dead-letters/${letter.topic}/${letter.partition}/${letter.offset}`;
}

function letterItem(letter, onDone) {
  const place = { topic: letter.topic, partition: letter.partition, offset: letter.offset };
  return h(
    "li.list-row",
    null,
    h(
      "div.list-main",
      null,
      h("a", { href: letterHref(letter) }, subjectOf(letter)),
      h("p.bad-text.small", null, letter.error_message),
      h("p.muted.small", null, [letter.original?.topic ?? letter.topic, letter.error_class, letter.attempts && plural(letter.attempts, "attempt"), letter.redrives > 0 && `sent back ${letter.redrives} ${letter.redrives === 1 ? "time" : "times"}`].filter(Boolean).join(" · ")),
    ),
    letter.redriven_at && h("span.badge.good", { title: letter.redriven_at }, "Sent back"),
    h("span", { class: `badge ${letter.error_kind === "invalid" ? "bad" : "warn"}` }, letter.error_kind ?? "unknown"),
    ago(letter.stored_at),
    button(`Redrive ${subjectOf(letter)}`, {
      icon: "retry",
      iconOnly: true,
      onclick: () => redrive({ letters: [place] }, `${subjectOf(letter)}, from ${letter.topic} partition ${letter.partition} offset ${count(letter.offset)}.`, [letter], onDone),
    }),
  );
}

function nothing(filter) {
  if (Object.values(filter).some(Boolean)) return empty("No such letter", "No letter matches this filter.");
  return empty("No dead letters", "What can't be processed is kept here with its original bytes and the reason, and can be sent back once that is mended.");
}
