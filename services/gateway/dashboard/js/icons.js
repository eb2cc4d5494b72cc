// Icons as strokes in a box of 16 by 16.

import { svg } from "./dom.js";

const PATHS = {
  upload: "M8 10.5v-8m0 0L5 5.5m3-3 3 3M2.5 10v2.5a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1V10",
  ask: "M2.5 3.5h11v7.5H8l-3 2.5V11H2.5zM6 7.2h4",
  documents: "M4 2.5h5l3 3v8H4zM9 2.5v3h3M6 8.5h4M6 11h4",
  letters: "M2.5 4h11v8h-11zM2.5 4.5 8 9l5.5-4.5",
  personas: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-5 5.5c.6-2.4 2.5-3.5 5-3.5s4.4 1.1 5 3.5",
  system: "M2 8.500h3L6.5 4l3 8L11 8.500h3",
  sun: "M8 10.500a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 2v1.500m0 9V14m6-6h-1.500m-9 0H2m10.2-4.2-1 1m-6.4 6.4-1 1m8.4 0-1-1m-6.4-6.4-1-1",
  moon: "M13 9.500A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.500Z",
  keyboard: "M1.5 4h13v8h-13zM4 6.500h.01M6.7 6.500h.01M9.3 6.500h.01M12 6.500h.01M5 9.500h6",
  pause: "M5.5 3.500v9m5-9v9",
  play: "M5 3.500v9l7-4.500z",
  stop: "M4 4l8 8m0-8-8 8",
  retry: "M12.8 6.500A5 5 0 1 0 13 9m0-5.500v3h-3",
  check: "M3.5 8.500l3 3 6-7",
  file: "M4.5 2.500h5l2.5 2.500v8.500h-7.500z",
  folder: "M2 4.500h4l1.5 1.500H14v6.500H2z",
  copy: "M5.5 5.500h7v8h-7zM3.5 10.500v-8h7",
  trash: "M3 4.500h10M6.5 4V2.500h3V4m-5 .5.5 9h6l.500-9",
  alert: "M8 2.5 14 13H2zM8 6.500V9.500m0 1.800v.01",
  search: "M7 11.500a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm3.3-1.2 3.2 3.2",
  link: "M6.5 3.500h-3v9h9v-3M9 2.500h4.500V7M13 3 7.5 8.5",
  back: "M9.5 3.5 5 8l4.5 4.5",
  plus: "M8 3v10M3 8h10",
};

/** An icon that says nothing to a screen reader: what it stands beside does. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
