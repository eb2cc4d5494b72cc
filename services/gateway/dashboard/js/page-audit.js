// Who sent dead letters back, when, and what became of it.

import { api } from "./api.js";
import { h, replace } from "./dom.js";
import { count, plural, words } from "./format.js";
import { act, ago, button, empty, failed, heading } from "./widgets.js";

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { signal }) {
  const list = h("ul.list", { "aria-label": "Redrives" });
  const foot = h("div.foot");
  async function more(path) {
    const page = await api(path, { signal });
    list.append(...page.redrives.map(entryItem));
    const further = button("Show more", { onclick: () => act(further, () => more(page.next)) });
    replace(foot, page.next && further, !list.hasChildNodes() && empty("Nothing was sent back yet", "Each redrive leaves a line here: what was asked for, and what became of it."));
  }
  replace(root, h("a.back", { href: "#/dead-letters" }, "All dead letters"), heading("Audit of redrives"), list, foot);
  more("/api/v2/dead-letters/redrives?limit=50").catch((error) => !signal.aborted && replace(foot, failed(error)));
}

function entryItem(entry) {
  const asked = Object.entries(entry.filter ?? {}).filter(([, value]) => value != null && value !== false);
  const skipped = Object.entries(entry.skipped);
  const what = asked.map(([name, value]) => (name === "letters" ? plural(value.length, "letter") + " by name" : `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`));
  const letters = h("div");
  const details = h("details", null, h("summary", null, "Letters"), letters);
  details.addEventListener("toggle", async () => {
    if (!details.open || letters.hasChildNodes()) return;
    const full = await api(entry.link).catch((error) => ({ error }));
    const line = ({ letter, sent_to: to }) => h("li", null, h("a", { href: `#/dead-letters/${letter.topic}/${letter.partition}/${letter.offset}` }, `${letter.topic}/${letter.partition}/${letter.offset}`), h("span.muted", null, ` → ${to.topic}/${to.partition}/${to.offset}`));
    replace(letters, full.error ? failed(full.error) : h("ul.plain", null, full.letters.map(line)));
  });
  return h(
    "li.list-row",
    null,
    h(
      "div.list-main",
      null,
      h("p", null, h("strong", null, plural(entry.redriven, "letter")), ` of ${count(entry.matched)} sent back`, entry.force && h("span.badge.warn", null, "forced")),
      h("p.muted.small", null, what.join(" · ") || "All letters"),
      skipped.length > 0 && h("p.small", null, `Left out: ${skipped.map(([reason, n]) => `${n} × ${words(reason)}`).join(", ")}`),
      details,
    ),
    ago(entry.at),
    h("code.muted", { title: "Correlation id" }, entry.correlation_id),
  );
}
