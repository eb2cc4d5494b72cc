// The frame around the pages: navigation, dropping files anywhere, theme, shortcuts, and whether the API is there.

import { connection } from "./api.js";
import { localBatches } from "./batches.js";
import { h, setText } from "./dom.js";
import { fromDrop } from "./files.js";
import { percent } from "./format.js";
import { icon } from "./icons.js";
import * as ask from "./page-ask.js";
import * as audit from "./page-audit.js";
import * as batchPage from "./page-batch.js";
import * as documentPage from "./page-document.js";
import * as documents from "./page-documents.js";
import * as letter from "./page-letter.js";
import * as letters from "./page-letters.js";
import * as persona from "./page-persona.js";
import * as personas from "./page-personas.js";
import * as system from "./page-system.js";
import * as upload from "./page-upload.js";
import { openPalette, openShortcuts, listen } from "./palette.js";
import { go, start } from "./router.js";
import { staging } from "./staging.js";
import { nextTheme, themeName } from "./theme.js";
import { toast, toasts } from "./toast.js";
import { button, empty, tickTimes } from "./widgets.js";

/** @type {import("./router.js").Route[]} */
const ROUTES = [
  { path: "/", nav: "/", title: "Upload", show: upload.show },
  { path: "/batches/{id}", nav: "/", title: "Upload", show: batchPage.show },
  { path: "/ask", nav: "/ask", title: "Ask", show: ask.show },
  { path: "/documents", nav: "/documents", title: "Documents", show: documents.show },
  { path: "/documents/{id}", nav: "/documents", title: "Document", show: documentPage.show },
  { path: "/dead-letters", nav: "/dead-letters", title: "Dead letters", show: letters.show },
  { path: "/dead-letters/audit", nav: "/dead-letters", title: "Redrives", show: audit.show },
  { path: "/dead-letters/{topic}/{partition}/{offset}", nav: "/dead-letters", title: "Dead letter", show: letter.show },
  { path: "/personas", nav: "/personas", title: "Personas", show: personas.show },
  { path: "/personas/{id}", nav: "/personas", title: "Persona", show: persona.show },
  { path: "/system", nav: "/system", title: "System", show: system.show },
];

const NAV = [
  ["/", "Upload", "upload"],
  ["/ask", "Ask", "ask"],
  ["/documents", "Documents", "documents"],
  ["/dead-letters", "Dead letters", "letters"],
  ["/personas", "Personas", "personas"],
  ["/system", "System", "system"],
];

const links = NAV.map(([path, text, name]) => ({ path, element: h("a", { href: `#${path}` }, icon(name), h("span", null, text)) }));
const sending = h("p.nav-progress", { hidden: true });
const banner = h("div.offline", { role: "alert" });
const main = h("main", { id: "main", tabindex: -1 });

function brand() {
  return h("a.brand", { href: "#/" }, h("img", { src: "/dashboard/icon.svg", alt: "", width: 22, height: 22 }), h("span", null, "Ragstream"));
}

/** Beside the navigation on a desktop, above the page on a phone. */
function tools() {
  return h(
    "div.tools",
    null,
    button("Search pages and actions (Ctrl K)", { icon: "search", iconOnly: true, onclick: openPalette }),
    button("Keyboard shortcuts (?)", { icon: "keyboard", iconOnly: true, onclick: openShortcuts }),
    button("Theme", { icon: "moon", iconOnly: true, kind: "theme", onclick: nextTheme }),
  );
}

/** A plain link to #main would be a route. */
function skip(event) {
  event.preventDefault();
  main.focus();
}

const frame = [
  h("a.skip", { href: "#main", onclick: skip }, "Skip to content"),
  h(
    "nav",
    { "aria-label": "Main" },
    brand(),
    h("div.nav-links", null, links.map(({ element }) => element)),
    sending,
    tools(),
  ),
  h("div.content", null, h("header.topbar", null, brand(), tools()), banner, main),
  toasts(),
];

function onShown(route) {
  if (!route) main.append(empty("There is no such page", "The address may be mistyped.", h("a", { href: "#/" }, "To the uploads")));
  for (const { path, element } of links) {
    if (path === route?.nav) element.setAttribute("aria-current", "page");
    else element.removeAttribute("aria-current");
  }
  document.title = `${route?.title ?? "Not found"} · Ragstream`;
  // A page may have put the focus where one begins to type.
  if (!main.contains(document.activeElement)) main.querySelector("h1")?.focus({ preventScroll: true });
}

function showConnection() {
  setText(banner, connection.online ? "" : "The API can't be reached. Nothing is lost: this page goes on when it is back.");
  banner.hidden = connection.online;
  if (connection.online) toast("The API is back");
}

function labelTheme() {
  const text = `Theme: ${themeName()}`;
  for (const element of document.querySelectorAll("button.theme")) {
    element.title = text;
    element.setAttribute("aria-label", text);
  }
}

/** What is uploaded from here, on every page and in the tab's title. */
function showSending() {
  const open = localBatches().filter((one) => !one.isOver);
  sending.hidden = open.length === 0;
  const share = open.length ? open.reduce((sum, one) => sum + one.percent, 0) / open.length : 0;
  if (open.length) setText(sending, `Upload: ${percent(share)}`);
  const plain = document.title.replace(/^\d+ % · /, "");
  document.title = open.length ? `${percent(share)} · ${plain}` : plain;
}

function dropAnywhere() {
  const overlay = h("div.drop-overlay", { hidden: true, "aria-hidden": "true" }, h("div", null, icon("upload"), h("p", null, "Drop to upload")));
  document.body.append(overlay);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  // Entering a child comes before leaving its parent: only the count tells.
  let inside = 0;
  const onEnter = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    inside += 1;
    overlay.hidden = false;
  };
  const onLeave = (event) => {
    if (!hasFiles(event)) return;
    inside = Math.max(0, inside - 1);
    overlay.hidden = inside === 0;
  };
  const onDrop = async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    inside = 0;
    overlay.hidden = true;
    const gathering = fromDrop(event.dataTransfer);
    go("#/");
    try {
      await staging.add(await gathering);
    } catch (error) {
      toast(`The files can't be read: ${error.message}`, "bad");
    }
  };
  addEventListener("dragenter", onEnter);
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("dragleave", onLeave);
  addEventListener("drop", onDrop);
}

function warnBeforeLeaving() {
  addEventListener("beforeunload", (event) => {
    const unsent = localBatches().some((one) => [...one.rows.values()].some((row) => ["waiting", "sending"].includes(row.status)));
    if (unsent) event.preventDefault();
  });
}

document.body.append(...frame);
banner.hidden = true;
labelTheme();
addEventListener("themechange", labelTheme);
connection.addEventListener("change", showConnection);
dropAnywhere();
warnBeforeLeaving();
tickTimes();
listen(NAV);
setInterval(showSending, 500);
start(ROUTES, main, onShown);
