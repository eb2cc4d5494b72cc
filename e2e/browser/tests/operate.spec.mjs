// Looking after it: dead letters, deletion, verification, webhooks.

import { ask, corruptPdf, expect, test, unique, untilStage, upload } from "./support.mjs";

test("a dead letter is inspected and sent back, after a dry run, and what came of it is told", async ({ page, request }) => {
  const name = `${unique("corrupt")}.pdf`;
  const { document_id: id, job_id: job } = await upload(request, unique("dlq"), name, corruptPdf());
  await untilStage(request, job, "failed");
  const letters = async () => (await (await request.get(`/api/v2/dead-letters?document_id=${id}`)).json()).letters;
  await expect.poll(async () => (await letters()).length).toBe(1);

  await page.goto(`/#/dead-letters?document_id=${id}`);
  await page.getByRole("link", { name }).click();
  await expect(page.getByRole("heading", { name })).toBeVisible();
  await expect(page.getByLabel("Value", { exact: true })).toContainText(`"filename": "${name}"`);
  await page.getByRole("button", { name: "Redrive…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("1 letter of 1 would be sent back.")).toBeVisible();
  expect((await letters())[0].redrives, "a dry run does nothing").toBe(0);

  await dialog.getByRole("button", { name: "Redrive 1 letter" }).click();
  await expect(dialog.getByText("1 letter sent back.")).toBeVisible();
  await expect(dialog.getByRole("list", { name: "What came of it" })).toContainText("It failed:");
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(page.getByText("1 ×")).toBeVisible();

  // By filter: what was sent back is left out, and the reason is told.
  await page.goto(`/#/dead-letters?document_id=${id}&redriven=true`);
  await page.getByRole("button", { name: "Redrive these…" }).click();
  await expect(page.getByRole("dialog")).toContainText("0 letters of 1 would be sent back.");
  await expect(page.getByRole("dialog")).toContainText("Already redriven");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);

  await page.goto("/#/dead-letters/audit");
  await expect(page.getByRole("list", { name: "Redrives" }).getByRole("listitem").first()).toContainText("1 letter of 1 sent back");
});

test("a deletion asks first, and then nothing is found any more", async ({ page, request }) => {
  const collection = unique("delete");
  const name = `${unique("secret")}.md`;
  const { document_id: id, job_id: job } = await upload(request, collection, name, `The password of ${unique("vault")} is thirty kittens.`);
  await untilStage(request, job, "complete");
  await page.goto(`/#/documents?collection=${collection}`);
  await page.getByRole("button", { name: `Delete ${name}` }).click();
  const dialog = page.getByRole("dialog", { name: `Delete ${name}?` });
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  expect((await request.get(`/api/v2/documents/${id}`)).status(), "a cancelled deletion deletes nothing").toBe(200);

  await page.getByRole("button", { name: `Delete ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByRole("link", { name })).toHaveCount(0);
  await expect(page.getByText(`${name} is deleted`)).toBeVisible();
  expect((await request.get(`/api/v2/documents/${id}`)).status()).toBe(404);
  await ask(page, "What is the password of the vault?", collection);
  await expect(page.getByText("Not answered by the documents")).toBeVisible();
});

test("a document is found by a part of its name, and by its collection", async ({ page, request }) => {
  const collection = unique("find");
  const name = `${unique("quarterly")}.txt`;
  await upload(request, collection, name, `Figures of ${unique("quarter")}`);
  await upload(request, collection, "other.txt", `Figures of ${unique("other")}`);
  await page.goto("/#/documents");
  await page.getByLabel("Search", { exact: true }).fill(name.slice(0, 18));
  const list = page.getByRole("list", { name: "Documents" });
  await expect(list.getByRole("listitem")).toHaveCount(1);
  await expect(list).toContainText(name);
  await page.getByLabel("Search", { exact: true }).fill("");
  await page.getByLabel("Collection").fill(collection);
  await expect(list.getByRole("listitem")).toHaveCount(2);
});

test("the system page tells what is up, and verifies", async ({ page }) => {
  await page.goto("/#/system");
  await expect(page.getByText("All components are up")).toBeVisible();
  await expect(page.getByRole("list", { name: "Components" })).toContainText("Kafka");
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByText(/All sides hold the same chunks|\d+ differences?, compared/)).toBeVisible({ timeout: 60_000 });
});

test("a webhook is created, and its secret is shown once", async ({ page }) => {
  const url = `https://example.org/${unique("hook")}`;
  await page.route("**/api/v2/webhooks", async (route, request) => {
    // The address is looked up by the node, which may have no network: its answer is stood in for.
    if (request.method() !== "POST") return route.continue();
    const body = { webhook_id: "00000000-0000-4000-8000-000000000001", url, events: [], active: true, created_at: new Date().toISOString(), secret: "whsec_c2VjcmV0" };
    return route.fulfill({ status: 201, json: body });
  });
  await page.goto("/#/system");
  await page.getByRole("button", { name: "New webhook" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Address").fill(url);
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(dialog.getByText("whsec_c2VjcmV0")).toBeVisible();
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText("whsec_c2VjcmV0")).toHaveCount(0);
});
