// Builds DOM without markup strings: text is always a text node, so that nothing
// a document or a user brings along can become markup.

/** Set as properties: as attributes they are only the first value. */
const PROPERTIES = new Set(["value", "checked", "indeterminate"]);
const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `h("button.primary", { type: "button", onclick: save }, "Save")`.
 * Attributes that are null, undefined or false are left out; so are such children.
 * @param {string} tag name, and classes after dots
 * @param {Object<string, any>|null} [props] attributes; `on…` are listeners
 * @param {...any} children nodes, text, or lists of them
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  return fill(element, props, children);
}

/** As `h`, for SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value == null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (PROPERTIES.has(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child != null && child !== false && child !== "");
}

/** Puts these children in the place of those that are there. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Sets text only where it differs, so that an update costs nothing where nothing changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const jobs = new Set();

/**
 * Runs a function once before the next paint, however often it is asked for until then.
 * A hidden page paints nothing, and then it runs when the page is seen again.
 */
export function beforePaint(job) {
  if (jobs.size === 0) requestAnimationFrame(runJobs);
  jobs.add(job);
}

function runJobs() {
  const due = [...jobs];
  jobs.clear();
  for (const job of due) job();
}
