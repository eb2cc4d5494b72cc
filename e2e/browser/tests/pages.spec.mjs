// Every page, in light and dark, on a desktop and a phone: no violation (see support.mjs), no sideways scroll,
// nothing serious or critical by axe. Screenshots go to the output folder.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { corruptPdf, expect, expectNoSidewaysScroll, OUT, test, unique, untilStage, upload } from "./support.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Pages by name, with a text that shows when they are there. */
let pages;

test.beforeAll(async ({ playwright, baseURL }) => {
  const request = await playwright.request.newContext({ baseURL });
  const collection = unique("pages");
  const good = await upload(request, collection, `${"a-rather-long-name-".repeat(5)}of-a-file.md`, `# Lighthouses\n\nThe ${unique("lighthouse")} of Dueodde is 47 metres high.\n`);
  const bad = await upload(request, collection, "corrupt.pdf", corruptPdf());
  await untilStage(request, good.job_id, "complete");
  const failed = await untilStage(request, bad.job_id, "failed");
  const find = async () => (await (await request.get(`/api/v2/dead-letters?document_id=${failed.document_id}`)).json()).letters;
  await expect.poll(async () => (await find()).length).toBe(1);
  const [letter] = await find();
  const batch = await (await request.get("/api/v2/batches?limit=1")).json();
  await request.dispose();
  const document = `/documents/${good.document_id}`;
  pages = {
    upload: ["/", "Drop files or folders"],
    ...(batch.batches?.[0] && { batch: [`/batches/${batch.batches[0].batch_id}`, "Time left"] }),
    ask: ["/ask", "Question"],
    answer: [`/ask?q=How+high+is+the+lighthouse+of+Dueodde&collection=${collection}`, "Copy answer"],
    documents: [`/documents?collection=${collection}`, "2 documents"],
    "documents-empty": [`/documents?collection=${unique("none")}`, "Nothing found"],
    text: [`${document}?span=0-12`, "Lighthouses"],
    facts: [`${document}?tab=facts`, "SHA-256"],
    chunks: [`${document}?tab=chunks`, "Record in the log"],
    history: [`${document}?tab=history`, "attempt to read it"],
    "dead-letters": [`/dead-letters?document_id=${failed.document_id}`, "1 letter"],
    "dead-letter": [`/dead-letters/${letter.topic}/${letter.partition}/${letter.offset}`, "Value, decoded"],
    audit: ["/dead-letters/audit", "Audit of redrives"],
    personas: ["/personas", "personas"],
    system: ["/system", "All components are up"],
    "not-found": ["/nowhere", "There is no such page"],
  };
});

const NAMES = ["upload", "batch", "ask", "answer", "documents", "documents-empty", "text", "facts", "chunks", "history", "dead-letters", "dead-letter", "audit", "personas", "system", "not-found"];
const WINDOWS = { desktop: { width: 1280, height: 860 }, phone: { width: 375, height: 812 } };

for (const scheme of ["light", "dark"]) {
  for (const [device, viewport] of Object.entries(WINDOWS)) {
    test.describe(`${device}, ${scheme}`, () => {
      test.use({ viewport, colorScheme: scheme, contextOptions: { reducedMotion: "reduce" } });
      for (const name of NAMES) {
        test(name, async ({ page }) => {
          test.skip(!pages[name], "this node has no such page");
          const [path, text] = pages[name];
          await page.goto(`/#${path}`);
          await expect(page.getByText(text).first()).toBeVisible();
          await expect(page.locator(".loading")).toHaveCount(0);
          await page.screenshot({ path: join(OUT, "screenshots", `${name}-${device}-${scheme}.png`), fullPage: true });
          await expectNoSidewaysScroll(page);
          expect(await seriousViolations(page)).toEqual([]);
        });
      }
    });
  }
}

async function seriousViolations(page) {
  // Evaluated, not added as a script: the page's policy forbids those.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
}

test("the policy is strict, and every asset is there", async ({ request }) => {
  const response = await request.get("/");
  const policy = response.headers()["content-security-policy"];
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toMatch(/unsafe|\*/);
});

test("the API is lost and comes back", async ({ page, context }) => {
  await page.goto("/#/system");
  await expect(page.getByText("All components are up")).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText("The API can't be reached. Nothing is lost")).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByText("The API can't be reached. Nothing is lost")).toBeHidden();
  await expect(page.getByText("The API is back")).toBeVisible();
});

// What the browser reports when it is offline.
test.use({ allowed: [/ERR_INTERNET_DISCONNECTED/] });

test("a theme that is chosen stays", async ({ page }) => {
  await page.goto("/");
  const dark = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  await page.getByRole("button", { name: "Theme: system" }).click();
  await page.getByRole("button", { name: "Theme: light" }).click();
  await expect(page.getByRole("button", { name: "Theme: dark" })).toBeVisible();
  expect(await dark()).toBe("dark");
  await page.reload();
  await expect(page.getByRole("button", { name: "Theme: dark" })).toBeVisible();
  expect(await dark()).toBe("dark");
});
