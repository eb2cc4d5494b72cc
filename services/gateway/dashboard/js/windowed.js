// A list of any length whose rows are made only where they are seen.

import { beforePaint, h } from "./dom.js";

/** Rows that are kept above and below what is seen. */
const AROUND = 8;

/**
 * @template T
 * @param {{label: string, key: (item: T) => string, make: (item: T) => {element: HTMLElement, update: (item: T) => void}, signal: AbortSignal}} options
 *   `make` builds a row; rows are as high as the style's `--row`
 */
export function windowed({ label, key, make, signal }) {
  const element = h("ul.windowed", { "aria-label": label });
  /** @type {Map<string, {element: HTMLElement, update: (item: T) => void}>} */
  const shown = new Map();
  let items = [];

  function draw() {
    const height = parseFloat(getComputedStyle(element).getPropertyValue("--row"));
    element.style.height = `${items.length * height}px`;
    const top = element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - AROUND);
    const last = Math.min(items.length, Math.ceil((innerHeight - top) / height) + AROUND);
    const wanted = new Set();
    for (let i = first; i < last; i += 1) wanted.add(key(items[i]));
    for (const [name, row] of shown) {
      // Whoever has the focus keeps it.
      if (wanted.has(name) || row.element.contains(document.activeElement)) continue;
      row.element.remove();
      shown.delete(name);
    }
    for (let i = first; i < last; i += 1) {
      const row = place(items[i], i, height);
      // In the order in which they are read and reached by Tab.
      const there = element.children[i - first];
      if (there !== row) element.insertBefore(row, there ?? null);
    }
  }

  function place(item, index, height) {
    const name = key(item);
    let row = shown.get(name);
    if (!row) {
      row = make(item);
      shown.set(name, row);
    }
    row.element.style.transform = `translateY(${index * height}px)`;
    row.element.setAttribute("aria-setsize", items.length);
    row.element.setAttribute("aria-posinset", index + 1);
    row.update(item);
    return row.element;
  }

  const redraw = () => beforePaint(draw);
  addEventListener("scroll", redraw, { passive: true, signal });
  addEventListener("resize", redraw, { signal });
  return {
    element,
    /** Shows these items. */
    set(list) {
      items = list;
      redraw();
    },
  };
}
