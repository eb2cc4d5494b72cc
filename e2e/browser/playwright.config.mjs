// How the browser tests run: one browser, against a node that is there already.

import { defineConfig } from "@playwright/test";

const url = process.env.RAGSTREAM_URL;
if (!url) throw new Error("RAGSTREAM_URL is not set: the address of a running node, such as http://127.0.0.1:8000");

const output = process.env.RAGSTREAM_BROWSER_OUT ?? "output";

export default defineConfig({
  testDir: "tests",
  outputDir: `${output}/traces`,
  // Tests share a node: one at a time, so that what one sees is its own doing.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  // Deadlines, not expectations: a machine under load is slow.
  timeout: 300_000,
  expect: { timeout: 30_000 },
  reporter: [["list"], ["json", { outputFile: `${output}/results.json` }]],
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 860 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Containers run as root, and have little shared memory.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    },
  },
});
