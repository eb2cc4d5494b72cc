// Personas: made, asked, asked again within a conversation that is still there later.

import { expect, test, unique, untilStage, upload } from "./support.mjs";

/** A persona over one document; `page` shows it. @returns {Promise<object>} */
async function withPersona(page, request) {
  const collection = unique("persona");
  const code = unique("gate");
  const answer = await upload(request, collection, "gates.txt", `The code of the northern gate is ${code}.\n`);
  await untilStage(request, answer.job_id, "complete");
  const name = unique("Gatekeeper");
  await page.goto("/#/personas");
  await page.getByRole("button", { name: "New persona" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Description").fill("Knows the gates");
  await page.getByLabel("Collection").fill(collection);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("link", { name }).click();
  await expect(page.getByRole("heading", { name })).toBeVisible();
  return { collection, code };
}

async function say(page, text) {
  await page.getByLabel("Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

test("a conversation is still there after a reload, and is gone once it is deleted", async ({ page, request }) => {
  const { code } = await withPersona(page, request);
  const log = page.getByRole("log", { name: "Conversation" });
  const question = "What is the code of the northern gate?";
  await say(page, question);
  await expect(log.locator(".theirs")).toContainText(code);
  await say(page, "And once more: the code of the northern gate?");
  await expect(log.locator(".theirs")).toHaveCount(2);
  await expect(page).toHaveURL(/\?session=/);

  await page.reload();
  await expect(log.locator(".mine")).toHaveCount(2);
  await expect(log.locator(".theirs").first()).toContainText(code);
  const past = page.getByRole("region", { name: "Conversations" });
  await page.getByRole("button", { name: "New conversation" }).click();
  await expect(log.locator(".said")).toHaveCount(0);
  await past.getByRole("button", { name: question }).click();
  await expect(log.locator(".said")).toHaveCount(4);

  await past.getByRole("button", { name: "Delete this conversation" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(past).toBeHidden();
  await expect(log.locator(".said")).toHaveCount(0);
});

// A refusal is a failed request to the browser's console.
test.describe(() => {
  test.use({ allowed: [/409/] });

  test("one without documents says so", async ({ page, request }) => {
    const created = await request.post("/api/v2/personas", { data: { name: unique("Nobody"), collection: unique("empty") } });
    const { persona_id: id } = await created.json();
    await page.goto(`/#/personas/${id}`);
    await say(page, "Is anybody there?");
    await expect(page.getByText("It has no documents yet.")).toBeVisible();
    await expect(page.getByLabel("Message")).toHaveValue("Is anybody there?");
  });
});
