// What the tests share: a page that must stay clean, files, and the API for what is not under test.

import { test as base, expect } from "@playwright/test";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where screenshots go. */
export const OUT = process.env.RAGSTREAM_BROWSER_OUT ?? "output";

export { expect };

/**
 * `page` fails its test where the page logs an error, breaks the content security policy, or asks another origin.
 * `allowed` takes patterns of errors that a test provokes.
 */
export const test = base.extend({
  allowed: [],
  page: async ({ page, baseURL, allowed }, use) => {
    const wrong = [];
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on("pageerror", (error) => wrong.push(`error: ${error.stack}`));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (!["data:", "blob:"].includes(protocol) && origin !== new URL(baseURL).origin) wrong.push(`request to ${request.url()}`);
    });
    await page.exposeFunction("reportViolation", (text) => wrong.push(`CSP: ${text}`));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
    });
    await use(page);
    expect(wrong.filter((text) => !allowed.some((pattern) => pattern.test(text)))).toEqual([]);
  },
});

/** A name that no other test and no earlier run has. */
export function unique(name) {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

/** Writes files into a folder of their own. @returns {Promise<string[]>} their paths */
export async function files(contents) {
  const folder = await mkdtemp(join(tmpdir(), "ragstream-browser-"));
  const paths = [];
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, content);
    paths.push(path);
  }
  return paths;
}

/** A PDF in name and beginning alone: it is taken, and fails in extraction. */
export function corruptPdf() {
  return `%PDF-1.7\n% ${randomUUID()}\nthere is nothing behind this\n%%EOF`;
}

/** Drags files from outside onto the middle of the page, as the browser itself reports that. */
export async function drop(page, paths) {
  const cdp = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await cdp.send("Input.dispatchDragEvent", { type, x: width / 2, y: height / 2, data });
    if (type === "dragOver") await expect(page.getByText("Drop to upload")).toBeVisible();
  }
  await expect(page.getByText("Drop to upload")).toBeHidden();
}

/** Sets the collection of what is to be uploaded. */
export async function chooseCollection(page, collection) {
  await page.getByText("Options: collection, priority, metadata").click();
  await page.getByLabel("Collection").fill(collection);
}

/** One of the numbers of an upload. */
export function figure(page, name) {
  return page.locator(`[data-figure="${name}"] dd`);
}

/** An upload by the API. @returns {Promise<object>} the answer */
export async function upload(request, collection, name, content) {
  const response = await request.post("/api/v2/documents/upload", {
    multipart: { collection, file: { name, mimeType: "application/octet-stream", buffer: Buffer.from(content) } },
  });
  expect(response.status(), await response.text()).toBe(202);
  return response.json();
}

/** Waits until a job is in this stage. @returns {Promise<object>} the job */
export async function untilStage(request, jobId, stage) {
  let job;
  await expect
    .poll(
      async () => {
        job = await (await request.get(`/api/v2/documents/status/${jobId}`)).json();
        return job.stage;
      },
      { timeout: 240_000 },
    )
    .toBe(stage);
  return job;
}

/** Asks, and waits for the whole answer. */
export async function ask(page, question, collection) {
  await page.goto("/#/ask");
  await page.getByLabel("Collection").fill(collection);
  await page.getByLabel("Question", { exact: true }).fill(question);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.getByRole("button", { name: "Copy answer" })).toBeVisible();
}

/** The page is no wider than the window. */
export async function expectNoSidewaysScroll(page) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  expect(wide, "horizontal scroll").toBeLessThanOrEqual(window);
}
