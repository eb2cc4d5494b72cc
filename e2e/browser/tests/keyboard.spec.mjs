// Without a mouse: upload, ask, open a citation, find around.

import { expect, figure, files, test, unique } from "./support.mjs";

/** Presses Tab until something has the focus; fails where it never does. */
async function tabTo(page, locator) {
  const handle = await locator.elementHandle();
  for (let i = 0; i < 60; i += 1) {
    if (await handle.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${locator}`);
}

test("upload, ask and open a citation by keys alone", async ({ page }) => {
  const collection = unique("keys");
  const quote = `The ${unique("harbour")} of Svaneke has nineteen berths.`;
  const [path] = await files({ "harbour.md": `# Harbours\n\n${quote}\n` });
  await page.goto("/");

  const choosing = page.waitForEvent("filechooser");
  await tabTo(page, page.getByRole("button", { name: "Choose files" }));
  await page.keyboard.press("Enter");
  await (await choosing).setFiles(path);
  await expect(page.getByRole("button", { name: "Upload 1 file" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await expect(page.getByText("Options: collection")).toBeFocused();
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Collection"));
  await page.keyboard.type(collection);
  await tabTo(page, page.getByRole("button", { name: "Upload 1 file" }));
  await page.keyboard.press("Enter");
  await expect(figure(page, "Complete")).toHaveText("1", { timeout: 60_000 });

  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await expect(page.getByLabel("Question", { exact: true })).toBeFocused();
  await page.keyboard.type("How many berths has the harbour of Svaneke?");
  await tabTo(page, page.getByLabel("Collection"));
  await page.keyboard.type(collection);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Control+Enter");
  const chip = page.getByRole("link", { name: /^Citation 1/ });
  await expect(chip).toBeVisible();
  await tabTo(page, chip);
  await page.keyboard.press("Enter");
  await expect(page.locator("mark")).toHaveText(quote);
  await expect(page.locator("mark")).toBeFocused();
});

test("the palette and the list of shortcuts", async ({ page }) => {
  await page.goto("/");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("dead");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#\/dead-letters$/);
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("what has the focus is seen to have it", async ({ page }) => {
  await page.goto("/#/documents");
  await expect(page.getByRole("heading", { name: "Documents" })).toBeVisible();
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect(outline).toBe("solid");
});
