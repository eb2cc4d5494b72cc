// Requests to the API: JSON in and out, problems as errors, and whether it can be reached at all.

/** How long after a lost connection the API is asked for again, in milliseconds. */
const ASK_AGAIN = 2000;

/** An answer that is a problem (RFC 9457): `message` says what is wrong and what to do. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }

  /** The stable name of the kind of error. */
  get code() {
    return this.problem.code ?? String(this.problem.type ?? "").replace("/problems/", "");
  }

  /** A server that does not have this endpoint (yet). */
  get isMissing() {
    return this.status === 404 || this.status === 405;
  }
}

/** The API could not be reached. */
class Unreachable extends Error {
  constructor() {
    super("The API can't be reached. It is tried again by itself.");
  }
}

/** Tells (`change`) when the API is lost and when it is back. */
class Connection extends EventTarget {
  online = true;

  lost() {
    if (!this.online) return;
    this.online = false;
    this.dispatchEvent(new Event("change"));
    this.#askAgain();
  }

  found() {
    if (this.online) return;
    this.online = true;
    this.dispatchEvent(new Event("change"));
  }

  /** Resolves once it can be reached. */
  async whenOnline() {
    while (!this.online) {
      await new Promise((resolve) => this.addEventListener("change", resolve, { once: true }));
    }
  }

  #askAgain() {
    setTimeout(async () => {
      const up = await fetch("/livez", { cache: "no-store" }).then((r) => r.ok, () => false);
      if (up) this.found();
      else this.#askAgain();
    }, ASK_AGAIN);
  }
}

export const connection = new Connection();

/**
 * A request as it comes: problems are thrown, and so is a server that is away.
 * @param {string} path
 * @param {{method?: string, json?: any, headers?: object, signal?: AbortSignal}} [options]
 */
export async function request(path, { method, json, headers = {}, signal } = {}) {
  const init = { method: method ?? (json === undefined ? "GET" : "POST"), headers: { ...headers }, signal };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    connection.lost();
    throw new Unreachable();
  }
  connection.found();
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const text = await response.text();
  try {
    return new ApiError(response.status, JSON.parse(text));
  } catch {
    return new ApiError(response.status, { title: text.slice(0, 300) });
  }
}

/** As `request`, with the answer's JSON; null where it has none. */
export async function api(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

/** The answer, or null from a server that does not have this endpoint. */
export async function apiIfThere(path, options) {
  try {
    return await api(path, options);
  } catch (error) {
    if (error.isMissing) return null;
    throw error;
  }
}

/** `{limit: 5, before: undefined}` as `?limit=5` */
export function queryString(params) {
  const given = Object.entries(params).filter(([, value]) => value != null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
