// Asking: a citation opens the document at its passage.

import { ask, expect, test, unique, untilStage, upload } from "./support.mjs";

/** Text before the fact whose characters are of one to four bytes: spans count bytes. */
const FOREIGN = "Grüße aus Zürich. Ελληνικά. 日本語のテキスト。 🦀🦀🦀\n\n";

async function withFact(request) {
  const collection = unique("ask");
  const quote = `The ${unique("beacon")} of Østermarie is lit by 734 lamps.`;
  const text = `${FOREIGN.repeat(3)}${"Nothing happened on this day.\n\n".repeat(5)}${quote}\n\nIt rained – all day – in 東京.\n`;
  const answer = await upload(request, collection, "beacon.txt", text);
  await untilStage(request, answer.job_id, "complete");
  return { collection, quote, answer };
}

test("an answer is cited, and the citation opens at exactly the quote", async ({ page, request }) => {
  const { collection, quote, answer } = await withFact(request);
  await ask(page, "By how many lamps is the beacon of Østermarie lit?", collection);
  const shown = page.getByRole("region", { name: "Answer" });
  await expect(shown).toContainText("734 lamps");
  await expect(shown.getByText("Up to date")).toBeVisible();
  await shown.getByRole("link", { name: /^Citation 1/ }).click();

  await expect(page).toHaveURL(new RegExp(`#/documents/${answer.document_id}\\?span=\\d+-\\d+`));
  const mark = page.locator("mark");
  await expect(mark).toHaveText(quote);
  await expect(mark).toBeInViewport();
  await expect(mark).toBeFocused();

  await page.goBack();
  await expect(page.getByRole("region", { name: "Answer" })).toContainText("734 lamps");
});

test("passages tell what each leg of the search made of them", async ({ page, request }) => {
  const { collection, quote } = await withFact(request);
  await ask(page, "By how many lamps is the beacon lit?", collection);
  await page.getByText("1 passage found").click();
  const passage = page.locator(".passage").filter({ hasText: quote });
  await expect(passage.getByText(/^Meaning #1/)).toBeVisible();
  await expect(passage.getByText(/^Keywords #1/)).toBeVisible();
  await expect(page.getByText(/in [\d.]+ (ms|s): /)).toBeVisible();
});

test("a question that the documents do not answer says so", async ({ page, request }) => {
  const { collection } = await withFact(request);
  await ask(page, "Who composed the opera about the Venetian glassblower?", collection);
  await expect(page.getByText("Not answered by the documents")).toBeVisible();
  await expect(page.getByRole("link", { name: /^Citation/ })).toHaveCount(0);
});

test("a place far inside a long text opens without the rest", async ({ page, request }) => {
  const needle = unique("needle");
  const before = "äöü Lorem ipsum dolor sit amet.\n".repeat(20_000);
  const text = `${before}${needle}\n${"More of the same follows.\n".repeat(20_000)}`;
  const { document_id: id, job_id: job } = await upload(request, unique("long"), "long.txt", text);
  await expect.poll(async () => (await request.get(`/api/v2/documents/${id}/text`)).status(), { timeout: 120_000 }).toBe(200);
  await request.post(`/api/v2/jobs/${job}/pause`);
  const start = Buffer.byteLength(before);
  await page.goto(`/#/documents/${id}?span=${start}-${start + needle.length}`);
  await expect(page.locator("mark")).toHaveText(needle);
  await expect(page.locator("mark")).toBeInViewport();
  const shown = await page.locator(".text").evaluate((element) => element.textContent.length);
  expect(shown).toBeLessThan(60_000);
  await page.getByRole("button", { name: "Show earlier text" }).click();
  await expect.poll(() => page.locator(".text").evaluate((element) => element.textContent.length)).toBeGreaterThan(shown);
  await expect(page.locator("mark")).toHaveText(needle);
});
