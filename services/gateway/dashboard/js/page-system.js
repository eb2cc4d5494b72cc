// The system: what is up, what is waiting, how fast it goes, whether all sides hold the same, and webhooks.

import { api, apiIfThere } from "./api.js";
import { sparkline } from "./charts.js";
import { h, replace, setText } from "./dom.js";
import { bytes, count, duration, millis, plural, words } from "./format.js";
import { webhooks } from "./webhooks.js";
import { act, badge, button, facts, failed, heading, stageName } from "./widgets.js";

const EVERY = 2000;
const SPAN = 5 * 60 * 1000;
const STAGES = ["accepted", "text_extraction", "chunking", "embedding", "indexing", "paused", "complete", "failed", "cancelled"];
const CHUNKS = ["pending", "embedded", "indexed", "failed"];

/** @param {HTMLElement} root @param {import("./router.js").Visit} visit */
export function show(root, { signal }) {
  const charts = {
    documents: sparkline("Documents a minute", (n) => n.toFixed(n < 10 ? 1 : 0), SPAN),
    chunks: sparkline("Chunks a second", (n) => n.toFixed(n < 10 ? 1 : 0), SPAN),
    active: sparkline("Jobs under way", count, SPAN),
    waiting: sparkline("Records waiting for the log", count, SPAN),
  };
  const latency = sparkline("Slowest component", millis, SPAN);
  const summary = h("p.status-line", { role: "status" });
  const components = h("ul.components", { "aria-label": "Components" });
  const figures = h("div.columns.narrow");
  const chartArea = h("div.charts");
  const trouble = h("div");

  async function look() {
    try {
      const status = (await apiIfThere("/api/v2/system/status", { signal })) ?? (await healthAlone(signal));
      if (signal.aborted) return;
      replace(trouble);
      drawComponents(status.components);
      latency.add(Math.max(0, ...status.components.map((one) => one.latency_ms ?? 0)));
      if (status.jobs) drawStatus(status);
      else replace(chartArea, latency.element);
    } catch (error) {
      if (!signal.aborted) replace(trouble, failed(error));
    }
  }

  function drawComponents(list) {
    const down = list.filter((one) => !one.healthy);
    setText(summary, down.length ? `${plural(down.length, "component")} down: ${down.map((one) => words(one.name)).join(", ")}` : "All components are up");
    summary.className = `status-line ${down.length ? "bad" : "good"}`;
    replace(components, list.map(componentItem));
  }

  function drawStatus(status) {
    const active = STAGES.slice(0, 5).reduce((sum, stage) => sum + (status.jobs[stage] ?? 0), 0);
    charts.documents.add(status.rates.documents_per_minute);
    charts.chunks.add(status.rates.chunks_per_second);
    charts.active.add(active);
    charts.waiting.add(status.outbox.waiting + status.events.waiting);
    if (chartArea.children.length < 2) replace(chartArea, Object.values(charts).map((chart) => chart.element), latency.element);
    const amounts = (names, of) => facts(names.filter((name) => of[name]).map((name) => [badge(name, stageName(name)), count(of[name])]));
    const queue = ({ waiting, oldest_seconds: oldest }) => `${plural(waiting, "record")}${oldest ? `, the oldest for ${duration(oldest)}` : ""}`;
    replace(
      figures,
      card("Jobs by stage", amounts(STAGES, status.jobs)),
      card("Chunks by status", amounts(CHUNKS, status.chunks)),
      card(
        "Storage and queues",
        facts([
          ["Documents", count(status.documents)],
          ["Blob storage", bytes(status.storage_bytes)],
          ["Outbox", queue(status.outbox)],
          ["Events", queue(status.events)],
          ["Version", status.version],
          ["Up for", h("span", { title: status.started_at }, duration(status.uptime_seconds))],
        ]),
      ),
      card("Query nodes", status.query_nodes.map(nodeItem)),
    );
  }

  const timer = setInterval(() => !document.hidden && look(), EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
  replace(
    root,
    heading("System", outside("/docs", "API"), outside("/metrics", "Metrics")),
    trouble,
    summary,
    components,
    h("section", null, h("h2", null, "Last 5 minutes"), h("p.muted.small", null, "Sampled while this page is open."), chartArea),
    figures,
    verification(),
    webhooks(signal),
  );
  void look();
}

/** What an older server tells: no more than which parts are up. It says so with 503 too. */
async function healthAlone(signal) {
  const health = await fetch("/health", { signal }).then((response) => response.json());
  return { components: health.components.map((one) => ({ name: one.component, healthy: one.status === "up", latency_ms: one.latency_ms, detail: one.error ?? one.detail })) };
}

function outside(href, text) {
  return h("a.button", { href, target: "_blank", rel: "noopener" }, text);
}

function card(title, ...children) {
  return h("section.card", null, h("h2", null, title), children);
}

function componentItem({ name, healthy, latency_ms: latency, detail }) {
  return h("li", { class: healthy ? "good" : "bad" }, h("span.dot", { "aria-hidden": "true" }), h("span", null, words(name)), h("span.visually-hidden", null, healthy ? "up" : "down"), h("span.muted", null, !healthy ? (detail ?? "down") : latency == null ? "" : millis(latency)));
}

function nodeItem(node) {
  const lag = node.applied_lag ? `${plural(node.applied_lag, "record")} behind` : "up to date";
  return h("div.node", null, h("code", null, node.url), " ", badge(node.ready ? "complete" : "failed", node.ready ? "Ready" : "Not ready"), h("p.muted.small", null, [node.documents != null && plural(node.documents, "document"), node.chunks != null && plural(node.chunks, "chunk"), lag].filter(Boolean).join(" · ")));
}

/** Whether log, rows and indexes hold the same chunks. */
function verification() {
  const result = h("div", { "aria-live": "polite" });
  const run = button("Verify", {
    icon: "check",
    onclick: () =>
      act(run, async () => {
        replace(result, h("p.muted.loading", null, "Comparing the log, PostgreSQL and every query node…"));
        try {
          replace(result, comparison(await api("/api/v2/admin/verify", { method: "POST" })));
        } catch (error) {
          replace(result, failed(error));
        }
      }),
  });
  const intro = h("p.muted", null, "Compares the log, PostgreSQL and every query node, and names each chunk that they do not agree about.");
  return h("section.card", null, h("div.card-head", null, h("h2", null, "Consistency"), h("span.spacer"), run), intro, result);
}

function comparison(found) {
  const side = (name, held) => h("tr", null, h("th", { scope: "row" }, name), h("td", null, held.chunks == null ? "–" : count(held.chunks)), h("td", null, h("code", null, held.checksum ?? held.error ?? "–")));
  const verdict = found.consistent ? "All sides hold the same chunks" : `${plural(found.differences_total, "difference")}`;
  return [
    h("p", { class: `status-line ${found.consistent ? "good" : "bad"}` }, `${verdict}, compared in ${millis(found.seconds * 1000)}.`),
    h("table", null, h("caption.visually-hidden", null, "What each side holds"), h("thead", null, h("tr", null, ["Side", "Chunks", "Checksum"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", null, side("Log", found.log), side("PostgreSQL", found.postgres), found.index.map((node) => side(node.node, node)))),
    found.in_flight.chunks > 0 && h("p.muted.small", null, `${plural(found.in_flight.chunks, "chunk")} of ${plural(found.in_flight.documents, "document")} were on their way and not compared.`),
    found.unreadable_records > 0 && h("p.warn-text", null, `${plural(found.unreadable_records, "record")} of the log can't be read.`),
    found.differences.length > 0 && h("ul.plain", null, found.differences.slice(0, 50).map((one) => h("li", null, h("strong", null, words(one.kind)), " ", h("code", null, one.chunk_id ?? one.document_id), h("p.muted.small", null, one.advice)))),
  ];
}
