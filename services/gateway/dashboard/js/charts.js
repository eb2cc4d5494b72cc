// Small charts of the last minutes, drawn as SVG. Each has its present value in words: the line is an addition.

import { h, setText, svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 48;

/**
 * The points of a line through samples in a box; the newest is at the right edge. Pure.
 * @param {{at: number, value: number}[]} samples
 * @param {number} now milliseconds
 * @param {number} span milliseconds that the width stands for
 * @returns {string} as SVG has them
 */
export function points(samples, now, span, width = WIDTH, height = HEIGHT) {
  const top = Math.max(...samples.map(({ value }) => value), 0) || 1;
  return samples
    .map(({ at, value }) => {
      const x = width - ((now - at) / span) * width;
      const y = height - 1 - (value / top) * (height - 2);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

/**
 * A chart of one figure.
 * @param {string} title
 * @param {(value: number) => string} format
 * @param {number} span milliseconds
 */
export function sparkline(title, format, span) {
  const value = h("strong.chart-value", null, "–");
  const line = svg("polyline", { class: "chart-line" });
  const area = svg("polygon", { class: "chart-area" });
  const top = h("span.muted.small");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  /** @type {{at: number, value: number}[]} */
  let samples = [];
  return {
    element: h("figure.chart-card", null, h("figcaption", null, title), h("div.chart-head", null, value, top), picture),
    add(number, now = Date.now()) {
      samples = [...samples.filter(({ at }) => now - at < span), { at: now, value: number }];
      setText(value, format(number));
      setText(top, `max ${format(Math.max(...samples.map((sample) => sample.value)))}`);
      const path = points(samples, now, span);
      line.setAttribute("points", path);
      const first = path.split(",")[0];
      area.setAttribute("points", `${first},${HEIGHT} ${path} ${WIDTH},${HEIGHT}`);
    },
  };
}
