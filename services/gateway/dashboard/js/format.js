// Numbers, sizes and times as people read them. Pure.

const NUMBER = new Intl.NumberFormat("en");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `12,345` */
export function count(n) {
  return NUMBER.format(n);
}

/** `1 file`, `12,345 files` */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `3.9 KiB` */
export function bytes(n) {
  let unit = 0;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${UNITS[unit]}`;
}

/** `42 %`: rounded down, so that only what is whole shows 100. */
export function percent(share) {
  return `${Math.floor(share)} %`;
}

/** Milliseconds: `< 0.1 ms`, `0.4 ms`, `12 ms`, `1.2 s` */
export function millis(ms) {
  if (ms < 0.05) return "< 0.1 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Seconds: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h` */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return join(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return join(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return join(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}

function join(major, majorUnit, minor, minorUnit) {
  return minor ? `${major} ${majorUnit} ${minor} ${minorUnit}` : `${major} ${majorUnit}`;
}

/** `just now`, `5 min ago`, `yesterday`; a date where it is longer ago than a week. */
export function relative(time, now = Date.now()) {
  const at = new Date(time).getTime();
  const s = Math.round((now - at) / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 2 * 86400) return "yesterday";
  if (s < 7 * 86400) return `${Math.floor(s / 86400)} days ago`;
  return new Date(at).toISOString().slice(0, 10);
}

/** The time to the second, in the reader's zone and manner. */
export function exact(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

/** `text_extraction` as `Text extraction` */
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The first and last characters of an id: enough to tell two apart. */
export function shortId(id) {
  return id.length > 12 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id;
}
