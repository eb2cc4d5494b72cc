// One dead letter: why it was given up, what it says, and sending it back.

import { api } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes } from "./format.js";
import { subjectOf } from "./page-letters.js";
import { redrive } from "./redrive.js";
import { ago, button, copyText, facts, fillWith, heading } from "./widgets.js";

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { params, signal }) {
  const place = h("div");
  const load = () =>
    fillWith(place, signal, async () => {
      const letter = await api(`/api/v2/dead-letters/${params.topic}/${params.partition}/${params.offset}`, { signal });
      return page(letter, load);
    });
  replace(root, h("a.back", { href: "#/dead-letters" }, "All dead letters"), place);
  void load();
}

function page(letter, reload) {
  const { topic, partition, offset, original } = letter;
  const again = button("Redrive…", {
    icon: "retry",
    kind: "primary",
    onclick: () => redrive({ letters: [{ topic, partition, offset }] }, `${subjectOf(letter)}, back to ${original?.topic ?? "where it came from"}.`, [letter], reload),
  });
  const value = letter.undecodable ? letter.value_base64 : JSON.stringify(letter.value, null, 2);
  return [
    heading(subjectOf(letter), again),
    h("p.bad-text", null, letter.error_message),
    h(
      "div.columns",
      null,
      h(
        "section.card",
        null,
        h("h2", null, "Why"),
        facts([
          ["Kind", letter.error_kind === "invalid" ? "Invalid: it can never work as it is" : letter.error_kind === "failed" ? "Failed: it ran out of attempts" : letter.error_kind],
          ["Class", letter.error_class],
          ["Attempts", letter.attempts],
          ["First failure", letter.first_failure && ago(letter.first_failure)],
          ["Last failure", letter.last_failure && ago(letter.last_failure)],
          ["Given up by", letter.consumer],
          ["Sent back", letter.redrives ? h("span", null, `${letter.redrives} × `, letter.redriven_at && ago(letter.redriven_at)) : "never"],
        ]),
      ),
      h(
        "section.card",
        null,
        h("h2", null, "Where"),
        facts([
          ["Letter", h("code", null, `${topic}/${partition}/${offset}`)],
          ["Record", original && h("code", null, `${original.topic}/${original.partition}/${original.offset}`)],
          ["Written", original?.timestamp && ago(original.timestamp)],
          ["Document", letter.document_id && h("a", { href: `#/documents/${letter.document_id}?tab=history` }, letter.document_id)],
          ["Chunk", letter.chunk_id && h("code", null, letter.chunk_id)],
          ["Correlation id", letter.correlation_id && h("code", null, letter.correlation_id)],
          ["Key", letter.key ?? letter.key_base64],
        ]),
      ),
    ),
    h(
      "section.card",
      null,
      h("div.card-head", null, h("h2", null, letter.undecodable ? "Value (base64)" : "Value, decoded"), h("span.spacer"), h("span.muted", null, letter.value_bytes != null && bytes(letter.value_bytes)), value && button("Copy value", { icon: "copy", iconOnly: true, onclick: () => copyText(value) })),
      letter.undecodable && h("p.warn-text", null, letter.undecodable_reason),
      h("pre.json", { tabindex: 0, "aria-label": "Value" }, value ?? "The record has no value."),
    ),
    h(
      "section.card",
      null,
      h("h2", null, "Headers"),
      h(
        "div.table-wrap",
        { tabindex: 0, role: "region", "aria-label": "Headers" },
        h("table", null, h("caption.visually-hidden", null, "Headers"), h("tbody", null, letter.headers.map((header) => h("tr", null, h("th", { scope: "row" }, header.name), h("td", null, header.value ?? header.base64 ?? "–"))))),
      ),
    ),
  ];
}
