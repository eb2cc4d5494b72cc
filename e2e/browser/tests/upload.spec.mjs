// Uploading: many files at once by a real drop, what becomes of each, and holding what is under way.

import { randomBytes } from "node:crypto";
import { chooseCollection, corruptPdf, drop, expect, figure, files, test, unique, untilStage } from "./support.mjs";

function sixtyFiles() {
  const contents = {};
  for (let i = 1; i <= 57; i += 1) {
    contents[`note-${String(i).padStart(2, "0")}.md`] = `# Note ${i}\n\nThe ${unique("lamp")} of room ${i} is switched off at ${i % 24} o'clock.\n`;
  }
  contents["empty.txt"] = "";
  contents["tool.exe"] = Buffer.concat([Buffer.from("MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0", "latin1"), randomBytes(2000)]);
  contents["corrupt.pdf"] = corruptPdf();
  return contents;
}

test("sixty files are dropped, three of them bad, and each ends as it must", async ({ page }) => {
  const paths = await files(sixtyFiles());
  await page.goto("/#/documents");
  await drop(page, paths);

  const chosen = page.getByRole("region", { name: "Chosen files" });
  await expect(chosen.getByRole("status")).toContainText("59 files");
  await expect(chosen.getByText("The file is empty.")).toBeVisible();
  await expect(chosen.getByText(".exe files hold no text")).toBeVisible();
  await chooseCollection(page, unique("drop"));
  await page.getByRole("button", { name: "Upload 59 files" }).click();

  await expect(page).toHaveURL(/#\/batches\//);
  await watchPercentages(page);
  await expect(figure(page, "Files")).toHaveText("60");
  await expect(figure(page, "Complete")).toHaveText("57", { timeout: 150_000 });
  await expect(figure(page, "Failed")).toHaveText("1");
  await expect(figure(page, "Refused")).toHaveText("1");
  await expect(figure(page, "Not sent")).toHaveText("1");
  await expect(page.getByText("Complete with failures")).toBeVisible();
  await expect(page.getByRole("progressbar", { name: "Progress of the upload" })).toHaveAttribute("aria-valuenow", "100");
  expect(await page.evaluate(() => window.wentBack)).toEqual([]);

  await page.getByRole("button", { name: /^Failed/ }).click();
  const list = page.getByRole("list", { name: "Files of this upload" });
  await expect(list.getByRole("listitem")).toHaveCount(3);
  await expect(list.getByRole("listitem").filter({ hasText: "corrupt.pdf" })).toContainText("damaged");
  await expect(list.getByRole("listitem").filter({ hasText: "tool.exe" })).toContainText("Refused");
  await expect(list.getByRole("listitem").filter({ hasText: "empty.txt" })).toContainText("The file is empty.");

  // The server's own account, without what this page knows.
  await page.reload();
  await expect(figure(page, "Complete")).toHaveText("57");
  await expect(figure(page, "Failed")).toHaveText("1");
  await expect(figure(page, "Refused")).toHaveText("1");
});

/** Notes each progress bar that goes back. */
async function watchPercentages(page) {
  await page.evaluate(() => {
    window.wentBack = [];
    new MutationObserver((changes) => {
      for (const { target, oldValue } of changes) {
        const now = Number(target.getAttribute("aria-valuenow"));
        if (now < Number(oldValue)) window.wentBack.push(`${target.getAttribute("aria-label")}: ${oldValue} to ${now}`);
      }
    }).observe(document.body, { subtree: true, attributeFilter: ["aria-valuenow"], attributeOldValue: true });
  });
}

test("a folder is dropped, and its files keep their paths", async ({ page }) => {
  const paths = await files({ "top.md": `# ${unique("top")}`, "inner/deep/leaf.md": `# ${unique("leaf")}` });
  await page.goto("/");
  await drop(page, [paths[0].replace(/\/top\.md$/, "")]);
  const chosen = page.getByRole("region", { name: "Chosen files" });
  await expect(chosen.getByTitle(/\/inner\/deep\/leaf\.md$/)).toBeVisible();
  await expect(chosen.getByRole("status")).toContainText("2 files");
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(chosen).toBeHidden();
});

test("a large file goes up in pieces, through a lost connection", async ({ page }) => {
  test.skip(!(await hasResumable(page)), "this node has no resumable uploads");
  const lines = Array.from({ length: 1500 }, (_, i) => `${unique("entry")} number ${i}: ${"long enough to matter. ".repeat(260)}`);
  const [path] = await files({ "large.csv": lines.join("\n") });
  const offsets = [];
  let broken = false;
  await page.route("**/api/v2/uploads/**", async (route, request) => {
    if (request.method() === "PATCH") {
      offsets.push(Number(request.headers()["upload-offset"]));
      // The second piece is lost once.
      if (offsets.length === 2 && !broken) {
        broken = true;
        return route.abort("connectionreset");
      }
    }
    return route.continue();
  });
  await page.goto("/");
  await page.locator('input[type="file"]').first().setInputFiles(path);
  await page.getByRole("button", { name: "Upload 1 file" }).click();
  const row = page.getByRole("list", { name: "Files of this upload" }).getByRole("listitem");
  await expect(row.getByRole("link", { name: "large.csv" })).toBeVisible({ timeout: 60_000 });
  expect(broken).toBe(true);
  expect(offsets).toEqual([0, 8388608, 8388608]);
  await row.getByRole("button", { name: "Cancel large.csv" }).click();
  await expect(row).toContainText("Cancelled");
});

// The lost connection is one that the browser reports.
test.use({ allowed: [/ERR_CONNECTION_RESET/] });

async function hasResumable(page) {
  const response = await page.request.fetch("/api/v2/uploads", { method: "OPTIONS" });
  return response.ok() && Boolean(response.headers()["tus-version"]);
}

test("a job is paused and resumed, and ends complete", async ({ page, request }) => {
  const sentences = Array.from({ length: 1000 }, (_, i) => `Measurement ${i} of ${unique("probe")} is within its limits.`);
  const [path] = await files({ "long.txt": sentences.join("\n\n") });
  await page.goto("/");
  await page.locator('input[type="file"]').first().setInputFiles(path);
  await page.getByRole("button", { name: "Upload 1 file" }).click();
  const row = page.getByRole("list", { name: "Files of this upload" }).getByRole("listitem");
  await row.getByRole("button", { name: "Pause long.txt" }).click();
  await expect(row).toContainText("Paused");
  const href = await row.getByRole("link", { name: "long.txt" }).getAttribute("href");
  const id = href.split("/").pop();
  const { jobs } = await (await request.get(`/api/v2/jobs?document_id=${id}`)).json();
  expect(jobs[0].stage).toBe("paused");
  await row.getByRole("button", { name: "Resume long.txt" }).click();
  await expect(row).not.toContainText("Paused");
  await untilStage(request, jobs[0].job_id, "complete");
  await expect(figure(page, "Complete")).toHaveText("1");
});

test("a list of thousands makes rows only for what is seen", async ({ page }) => {
  const id = "00000000-0000-4000-8000-00000000b16b";
  const links = { self: `/api/v2/batches/${id}`, events: `/api/v2/batches/${id}/events` };
  const at = "2026-01-01T00:00:00Z";
  const outcomes = { complete: 5000, failed: 0, cancelled: 0, rejected: 0, active: 0, paused: 0 };
  const batch = { batch_id: id, status: "complete", files: { done: 5000, total: 5000 }, outcomes, chunks: { done: 5000, total: 5000 }, percentage: 100, created_at: at, updated_at: at, links };
  const file = (i) => ({ filename: `file-${String(i).padStart(4, "0")}.md`, position: i, status: "complete" });
  await page.route(`**/api/v2/batches/${id}`, (route) => route.fulfill({ json: batch }));
  await page.route(`**/api/v2/batches/${id}/events`, (route) => route.fulfill({ status: 204 }));
  await page.route(`**/api/v2/batches/${id}/files**`, (route, request) => {
    const after = Number(new URL(request.url()).searchParams.get("after"));
    const files = Array.from({ length: 1000 }, (_, i) => file(after + i));
    const next = after < 4000 ? `/api/v2/batches/${id}/files?limit=1000&after=${after + 1000}` : undefined;
    return route.fulfill({ json: { files, next } });
  });
  await page.goto(`/#/batches/${id}`);
  const rows = page.getByRole("list", { name: "Files of this upload" }).getByRole("listitem");
  await expect(page.getByRole("button", { name: "Complete 5,000" })).toBeVisible();
  expect(await rows.count()).toBeLessThan(60);
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  await expect(page.getByText("file-4999.md")).toBeInViewport();
  expect(await rows.count()).toBeLessThan(60);
  await page.getByLabel("Find a file").fill("file-2345");
  await expect(page.getByText("file-2345.md")).toBeInViewport();
  await expect(rows).toHaveCount(1);
});
