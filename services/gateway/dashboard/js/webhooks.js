// Webhooks: who is told of what happens to documents. List, create, test, delete.

import { api } from "./api.js";
import { confirm, open } from "./dialog.js";
import { h, replace, setText } from "./dom.js";
import { millis } from "./format.js";
import { toast } from "./toast.js";
import { act, ago, badge, button, empty, field, fillWith, terminal } from "./widgets.js";

const PATH = "/api/v2/webhooks";

/** The part of a page that has them. */
export function webhooks(signal) {
  const place = h("div");
  const load = () =>
    fillWith(place, signal, async () => {
      const { webhooks: list } = await api(PATH, { signal });
      if (list.length === 0) return empty("No webhooks", "A webhook is sent a signed request for each event of a document.");
      return h("ul.list", { "aria-label": "Webhooks" }, list.map((one) => webhookItem(one, load)));
    });
  void load();
  return h("section", null, h("div.card-head", null, h("h2", null, "Webhooks"), h("span.spacer"), button("New webhook", { icon: "plus", onclick: () => create(load) })), place);
}

function webhookItem(webhook, reload) {
  const test = button("Test", {
    onclick: () =>
      act(test, async () => {
        const result = await api(`${PATH}/${webhook.webhook_id}/test`, { method: "POST" });
        const time = millis(result.milliseconds);
        if (result.delivered) toast(`It took the event, with ${result.status} in ${time}`);
        else toast(`It did not take the event: ${result.error ?? result.status} (${time})`, "bad");
      }),
  });
  const remove = button(`Delete the webhook to ${webhook.url}`, {
    icon: "trash",
    iconOnly: true,
    onclick: async () => {
      const text = h("p", null, `${webhook.url} is told of nothing any more.`);
      if (!(await confirm({ title: "Delete this webhook?", text, action: "Delete", danger: true }))) return;
      await act(remove, async () => {
        await api(`${PATH}/${webhook.webhook_id}`, { method: "DELETE" });
        await reload();
      });
    },
  });
  return h(
    "li.list-row",
    null,
    h("div.list-main", null, h("strong.break", null, webhook.url), h("p.muted.small", null, [webhook.events.join(", ") || "All events", webhook.collection && `collection ${webhook.collection}`, webhook.description].filter(Boolean).join(" · ")), webhook.deactivated && h("p.bad-text.small", null, webhook.deactivated)),
    badge(webhook.active ? "complete" : "failed", webhook.active ? "Active" : "Deactivated"),
    ago(webhook.created_at),
    test,
    remove,
  );
}

function create(onCreated) {
  const url = h("input", { type: "url", required: true, placeholder: "https://example.org/hook" });
  const events = h("input", { type: "text", placeholder: "document.complete, document.failed" });
  const collection = h("input", { type: "text", placeholder: "All" });
  const description = h("input", { type: "text" });
  const wrong = h("p.bad-text", { role: "alert" });
  const save = button("Create", { kind: "primary", type: "submit" });
  const form = h(
    "form",
    null,
    field("Address", url),
    field("Events", events, "Separated by commas; all of them where this is empty."),
    field("Collection", collection),
    field("What it is for", description),
    wrong,
    h("div.dialog-actions", null, button("Cancel", { onclick: () => dialog.close() }), save),
  );
  const dialog = open("New webhook", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    const names = events.value.split(",").map((name) => name.trim()).filter(Boolean);
    const optional = (control) => control.value.trim() || undefined;
    try {
      const made = await api(PATH, { json: { url: url.value, events: names, collection: optional(collection), description: optional(description) } });
      replace(form, h("p", null, "Keep this secret: signatures are checked with it, and it is not shown again."), terminal(made.secret), h("div.dialog-actions", null, button("Done", { kind: "primary", onclick: () => dialog.close() })));
      await onCreated();
    } catch (error) {
      setText(wrong, error.message);
    } finally {
      save.disabled = false;
    }
  });
}
