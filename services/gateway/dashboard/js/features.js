// What this server can do, by its own specification: asking for what is not there would only make errors.

import { api } from "./api.js";

let spec;

function load() {
  spec ??= api("/openapi.json").catch((error) => {
    spec = undefined;
    throw error;
  });
  return spec;
}

/** Whether the server has this path. */
export async function hasPath(path) {
  return path in ((await load()).paths ?? {});
}

/** The ways to answer a question that it knows. */
export async function queryModes() {
  const schemas = (await load()).components?.schemas ?? {};
  const mode = schemas.QueryMode ?? {};
  return mode.enum ?? mode.oneOf?.flatMap((one) => one.enum ?? []) ?? ["basic"];
}

/** Whether it answers questions word by word. */
export async function canStream() {
  return "stream" in ((await load()).components?.schemas?.QueryRequest?.properties ?? {});
}

/** Whether its personas do. */
export async function canStreamChats() {
  return "stream" in ((await load()).components?.schemas?.ChatRequest?.properties ?? {});
}
