// What was dropped or picked and is not sent yet: from any page, shown on that of uploads.

import { check, MAX_FILES } from "./files.js";
import { capabilities } from "./sender.js";
import { toast } from "./toast.js";

class Staging extends EventTarget {
  /** @type {{file: File, name: string, path: string, size: number, problem?: string, warning?: string}[]} */
  entries = [];

  /** @param {import("./files.js").Found[]} found */
  async add(found) {
    const { maxSize } = await capabilities();
    const there = new Set(this.entries.map(identity));
    const added = found
      .map(({ file, path }) => ({ file, path, name: file.name, size: file.size, ...check(file, maxSize) }))
      .filter((entry) => !there.has(identity(entry)));
    if (this.entries.length + added.length > MAX_FILES) {
      toast(`More than ${MAX_FILES} files: upload them in several parts, or with \`ragstream upload\`.`, "bad");
      return;
    }
    this.entries.push(...added);
    this.dispatchEvent(new Event("change"));
  }

  remove(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    this.dispatchEvent(new Event("change"));
  }

  /** Gives the entries out, and is empty. */
  take() {
    const entries = this.entries;
    this.entries = [];
    this.dispatchEvent(new Event("change"));
    return entries;
  }
}

function identity({ path, size, file }) {
  return `${path}|${size}|${file.lastModified}`;
}

export const staging = new Staging();
