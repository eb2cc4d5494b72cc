// Personas: experts with a collection and a manner of their own. List, create, change, delete.

import { api } from "./api.js";
import { confirm, open } from "./dialog.js";
import { h, replace, setText } from "./dom.js";
import { hasPath, queryModes } from "./features.js";
import { words } from "./format.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";
import { act, button, empty, field, fillWith, heading, select } from "./widgets.js";

const PATH = "/api/v2/personas";

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { signal }) {
  const place = h("div");
  const create = button("New persona", { icon: "plus", kind: "primary", hidden: true, onclick: () => edit(null, load) });
  const load = () =>
    fillWith(place, signal, async () => {
      if (!(await hasPath(PATH))) return noPersonas();
      create.hidden = false;
      const { personas } = await api(PATH, { signal });
      if (personas.length === 0) return empty("No personas yet", "A persona answers from one collection, in a manner that you describe: a contracts expert, a support engineer, a historian.");
      return h("ul.cards.grid", null, personas.map((one) => personaCard(one, load)));
    });
  replace(root, heading("Personas", create), place);
  void load();
}

/** What a server without personas has to say. */
export function noPersonas() {
  return empty("This server has no personas", "They come with a newer version of Ragstream. Until then, questions can be limited to a collection.", h("a", { href: "#/ask" }, "Ask a question"));
}

function personaCard(persona, reload) {
  const remove = button(`Delete ${persona.name}`, {
    icon: "trash",
    iconOnly: true,
    onclick: async () => {
      const text = h("p", null, "Its documents stay; what was said with it is gone.");
      if (!(await confirm({ title: `Delete ${persona.name}?`, text, action: "Delete", danger: true }))) return;
      await act(remove, async () => {
        await api(`${PATH}/${persona.persona_id}`, { method: "DELETE" });
        toast(`${persona.name} is deleted`);
        await reload();
      });
    },
  });
  return h(
    "li.card",
    null,
    h("div.card-head", null, icon("personas"), h("a.card-title", { href: `#/personas/${persona.persona_id}` }, persona.name), h("span.spacer"), button("Edit", { onclick: () => edit(persona, reload) }), remove),
    h("p", null, persona.description),
    h("p.muted.small", null, h("span.tag", null, persona.collection), ` ${words(persona.mode)}${persona.model ? ` · ${persona.model}` : ""}`),
  );
}

/** Opens the form of a persona, a new one without. */
async function edit(persona, onSaved) {
  const modes = await queryModes().catch(() => ["basic"]);
  const text = (name, props = {}) => h("input", { type: "text", value: persona?.[name] ?? "", autocomplete: "off", ...props });
  const control = {
    name: text("name", { required: true }),
    description: text("description"),
    collection: text("collection", { placeholder: "default" }),
    system_prompt: h("textarea", { rows: 5, value: persona?.system_prompt ?? "" }),
    mode: select(modes.map((name) => [name, words(name)]), { value: persona?.mode ?? modes[0] }),
    model: text("model", { placeholder: "As configured" }),
    temperature: h("input", { type: "number", min: 0, max: 2, step: 0.1, value: persona?.temperature ?? "" }),
    top_k: h("input", { type: "number", min: 1, max: 1000, value: persona?.top_k ?? "" }),
    max_tokens: h("input", { type: "number", min: 1, max: 32768, value: persona?.max_tokens ?? "" }),
  };
  const wrong = h("p.bad-text", { role: "alert" });
  const save = button(persona ? "Save" : "Create", { kind: "primary", type: "submit" });
  const form = h(
    "form",
    null,
    field("Name", control.name),
    field("Description", control.description),
    field("Collection", control.collection, "It answers from the documents of this collection alone."),
    field("Instructions", control.system_prompt, "Who it is, and how it answers."),
    h("div.form-grid", null, field("Mode", control.mode), field("Model", control.model), field("Temperature", control.temperature), field("Passages", control.top_k), field("Tokens of an answer", control.max_tokens)),
    wrong,
    h("div.dialog-actions", null, button("Cancel", { onclick: () => dialog.close() }), save),
  );
  const dialog = open(persona ? `Edit ${persona.name}` : "New persona", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      const json = valuesOf(control);
      await api(persona ? `${PATH}/${persona.persona_id}` : PATH, { method: persona ? "PUT" : "POST", json });
      dialog.close();
      toast(`${json.name} is saved`);
      await onSaved();
    } catch (error) {
      setText(wrong, error.message);
    } finally {
      save.disabled = false;
    }
  });
}

/** The form's values; what may be left out and is empty is left out. */
function valuesOf(control) {
  const text = (name) => control[name].value.trim();
  const number = (name) => (text(name) === "" ? undefined : Number(text(name)));
  return {
    name: text("name"),
    description: text("description"),
    collection: text("collection") || "default",
    system_prompt: text("system_prompt"),
    mode: text("mode"),
    model: text("model") || undefined,
    temperature: number("temperature"),
    top_k: number("top_k"),
    max_tokens: number("max_tokens"),
  };
}
