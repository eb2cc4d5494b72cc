// Spans count bytes of UTF-8; text in a page counts UTF-16 units. Here is where one
// becomes the other. Pure, but for the reader that is handed in.

const decoder = new TextDecoder();

/** Whether a byte goes on with a character that began before it. */
const continues = (byte) => (byte & 0xc0) === 0x80;

/**
 * Splits a window of a text's bytes at a span, never inside a character: one that the
 * window cuts off at either end is left out.
 * @param {Uint8Array} window
 * @param {number} offset where the window begins in the whole text
 * @param {{start: number, end: number}|null} span in bytes of the whole text
 * @returns {{before: string, marked: string, after: string, start: number, end: number}}
 *   the three parts, and the bytes of the whole text that they cover
 */
export function splitAt(window, offset, span) {
  const first = wholeStart(window);
  const last = wholeEnd(window);
  const clamp = (at) => boundary(window, Math.min(Math.max(at - offset, first), last), first);
  const [from, to] = span ? [clamp(span.start), clamp(span.end)] : [last, last];
  const text = (a, b) => decoder.decode(window.subarray(a, b));
  return {
    before: text(first, from),
    marked: text(from, to),
    after: text(to, last),
    start: offset + first,
    end: offset + last,
  };
}

/** Past the rest of a character that began before the window. */
function wholeStart(window) {
  let at = 0;
  while (at < Math.min(3, window.length) && continues(window[at])) at += 1;
  return at;
}

/** Before a character that the window's end cuts off. */
function wholeEnd(window) {
  let lead = window.length - 1;
  while (lead > 0 && window.length - lead < 4 && continues(window[lead])) lead -= 1;
  if (lead < 0) return 0;
  const byte = window[lead];
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  return lead + length > window.length ? lead : window.length;
}

/** Back to the beginning of the character that a span's edge falls into. */
function boundary(window, at, first) {
  while (at > first && at < window.length && continues(window[at])) at -= 1;
  return at;
}

/** `1988-2053` as a span, or null. */
export function parseSpan(text) {
  const match = /^(\d+)-(\d+)$/.exec(text ?? "");
  if (!match) return null;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return end > start ? { start, end } : null;
}

/**
 * Bytes `start` to `end` of a stream that begins at byte 0, reading no more than it has to.
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 */
export async function takeWindow(reader, start, end) {
  const pieces = [];
  let at = 0;
  while (at < end) {
    const { done, value } = await reader.read();
    if (done) break;
    const piece = value.subarray(Math.max(0, start - at), Math.max(0, end - at));
    if (piece.length) pieces.push(piece);
    at += value.length;
  }
  await reader.cancel();
  return concat(pieces);
}

function concat(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
