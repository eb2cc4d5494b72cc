// How files go up: the small ones many to a request, the large ones each by a resumable upload. Pure.

/** Files above this size go up in pieces. */
export const LARGE = 8 * 1024 * 1024;
/** Most files of a request. */
export const MAX_FILES = 50;
/** Most bytes of a request with more than one file. */
export const MAX_BYTES = 32 * 1024 * 1024;

/**
 * @template {{size: number}} T
 * @param {T[]} entries
 * @param {boolean} resumable whether the server has resumable uploads
 * @returns {{requests: T[][], large: T[]}} in the order given
 */
export function plan(entries, resumable) {
  const large = resumable ? entries.filter((entry) => entry.size > LARGE) : [];
  const requests = [];
  let room = 0;
  for (const entry of entries) {
    if (resumable && entry.size > LARGE) continue;
    const last = requests.at(-1);
    if (!last || last.length === MAX_FILES || entry.size > room) {
      requests.push([entry]);
      room = MAX_BYTES - entry.size;
    } else {
      last.push(entry);
      room -= entry.size;
    }
  }
  return { requests, large };
}

/**
 * How much of each file a request has sent, of so many bytes of its body: files follow each other.
 * @param {{size: number}[]} entries
 * @param {number} sent
 * @returns {number[]} bytes of each
 */
export function spread(entries, sent) {
  return entries.map(({ size }) => {
    const mine = Math.max(0, Math.min(size, sent));
    sent -= size;
    return mine;
  });
}

/**
 * Which answer belongs to which file of a request. The answer lists what was taken and what was
 * refused apart, each in the order of the request.
 * @param {{name: string, path: string, size: number}[]} entries
 * @param {{filename: string, size_bytes: number}[]} taken
 * @param {{filename: string, error: object}[]} refused
 * @returns {({taken?: object, refused?: object})[]} one for each entry
 */
export function assign(entries, taken, refused) {
  const [ins, outs] = [[...taken], [...refused]];
  return entries.map((entry) => {
    const isOurs = (answer) => answer && (answer.filename === entry.name || answer.filename === entry.path);
    if (isOurs(ins[0]) && ins[0].size_bytes === entry.size) return { taken: ins.shift() };
    if (isOurs(outs[0])) return { refused: outs.shift().error };
    // The server may have cleaned the name: then the order alone tells.
    if (ins.length && (outs.length === 0 || ins[0].size_bytes === entry.size)) return { taken: ins.shift() };
    return outs.length ? { refused: outs.shift().error } : {};
  });
}
