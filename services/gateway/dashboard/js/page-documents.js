// The list of documents: find one by name, collection or external id, open it, delete it.

import { api, queryString } from "./api.js";
import { confirm } from "./dialog.js";
import { h, replace, setText } from "./dom.js";
import { bytes, plural } from "./format.js";
import { rename } from "./router.js";
import { toast } from "./toast.js";
import { act, ago, button, empty, failed, field, heading, terminal } from "./widgets.js";

const PAGE = 50;
/** A page while names are looked through: the server does not search by name. */
const SEARCH_PAGE = 500;
/** Pages that are looked through before the reader is asked whether to go on. */
const SEARCH_PAGES = 10;

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { query, signal }) {
  const search = h("input", { type: "search", placeholder: "Name or external id", value: query.get("search") ?? "", autocomplete: "off" });
  const collection = h("input", { type: "text", placeholder: "All", value: query.get("collection") ?? "", autocomplete: "off" });
  const summary = h("p.muted", { role: "status" });
  const list = h("ul.list", { "aria-label": "Documents" });
  const foot = h("div.foot");
  let load;

  const begin = () => {
    load?.abort();
    load = new AbortController();
    const wanted = { search: search.value.trim(), collection: collection.value.trim() };
    rename(`#/documents${queryString(wanted)}`);
    replace(list);
    replace(foot);
    setText(summary, "Loading…");
    void more({ ...wanted, next: undefined, shown: 0, seen: 0, signal: load.signal });
  };
  let typing;
  const soon = () => {
    clearTimeout(typing);
    typing = setTimeout(begin, 250);
  };
  search.addEventListener("input", soon);
  collection.addEventListener("input", soon);
  signal.addEventListener("abort", () => {
    clearTimeout(typing);
    load?.abort();
  });

  async function more(state) {
    try {
      if (state.search && !state.next) await byExternalId(state);
      const limit = state.search ? SEARCH_PAGE : PAGE;
      let next = state.next ?? `/api/v2/documents${queryString({ limit, collection: state.collection })}`;
      for (let page = 0; next && page < (state.search ? SEARCH_PAGES : 1); page += 1) {
        const answer = await api(next, { signal: state.signal });
        state.seen += answer.documents.length;
        add(state, answer.documents.filter((one) => matches(one, state.search)));
        next = answer.next;
        if (state.shown >= PAGE * (page + 1)) break;
      }
      state.next = next;
      finish(state);
    } catch (error) {
      if (!state.signal.aborted) replace(foot, failed(error, begin));
    }
  }

  /** One with exactly this external id may be far back in the list. */
  async function byExternalId(state) {
    const params = { external_id: state.search, collection: state.collection, limit: PAGE };
    const { documents } = await api(`/api/v2/documents${queryString(params)}`, { signal: state.signal });
    add(state, documents);
  }

  function add(state, documents) {
    const there = new Set([...list.children].map((item) => item.dataset.id));
    const added = documents.filter((one) => !there.has(one.document_id));
    state.shown += added.length;
    list.append(...added.map((one) => documentItem(one)));
  }

  function finish(state) {
    const scope = state.search ? `${plural(state.shown, "match", "matches")} in ${plural(state.seen, "document")}` : plural(state.shown, "document");
    setText(summary, state.next ? `${scope}, and there are more` : scope);
    const label = state.search ? "Search further" : "Show more";
    const again = button(label, { onclick: () => act(again, () => more(state)) });
    const isEmpty = state.shown === 0 && !state.next;
    replace(foot, state.next && again, isEmpty && (state.search || state.collection ? noMatch() : firstSteps()));
  }

  const filters = h("div.form-row.filters", null, field("Search", search), field("Collection", collection));
  replace(root, heading("Documents"), filters, summary, list, foot);
  begin();
}

function matches(document, text) {
  const wanted = text.toLowerCase();
  return [document.filename, document.external_id ?? "", document.collection, document.document_id].some((value) => value.toLowerCase().includes(wanted));
}

function documentItem(document) {
  const element = h(
    "li.list-row",
    { "data-id": document.document_id },
    h(
      "div.list-main",
      null,
      h("a", { href: `#/documents/${document.document_id}` }, document.filename),
      h("p.muted.small", null, [document.content_type, bytes(document.size_bytes), document.version > 1 && `version ${document.version}`, document.external_id && `external id ${document.external_id}`].filter(Boolean).join(" · ")),
    ),
    h("span.tag", { title: "Collection" }, document.collection),
    ago(document.updated_at),
    button(`Delete ${document.filename}`, {
      icon: "trash",
      iconOnly: true,
      onclick: async (event) => {
        const row = element.nextElementSibling ?? element.previousElementSibling;
        if (!(await deleteDocument(document, event.currentTarget))) return;
        element.remove();
        row?.querySelector("a")?.focus();
      },
    }),
  );
  return element;
}

/** Asks, and deletes. @returns {Promise<boolean>} whether it is deleted */
export async function deleteDocument(document, element) {
  const sure = await confirm({
    title: `Delete ${document.filename}?`,
    text: h("p", null, "Its bytes, its text, its chunks and its entries in the log and the index are removed for good. No question finds it any more."),
    action: "Delete",
    danger: true,
  });
  if (!sure) return false;
  const answer = await act(element, () => api(`/api/v2/documents/${document.document_id}`, { method: "DELETE" }));
  if (answer) toast(`${document.filename} is deleted, with ${plural(answer.chunks, "chunk")}`);
  return Boolean(answer);
}

function noMatch() {
  return empty("Nothing found", `Names, collections and external ids are searched. What documents say is found by asking.`, h("a", { href: "#/ask" }, "Ask a question"));
}

function firstSteps() {
  const command = `curl -F file=@report.pdf ${window.location.origin}/api/v2/documents/upload`;
  return empty("No documents yet", "Upload some, here or from a terminal:", h("p", null, h("a", { href: "#/" }, "Upload files")), terminal(command));
}
