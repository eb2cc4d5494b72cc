// Answers that build up, word by word.

import { ApiError, request } from "./api.js";
import { messages } from "./sse.js";

/**
 * Asks for a stream of events, and tells what comes until the answer is whole.
 * @param {string} path
 * @param {object} body
 * @param {{found: (passages: object[]) => void, add: (text: string) => void, step?: (step: object) => void}} view
 * @param {AbortSignal} signal
 * @returns {Promise<object>} the whole answer
 */
export async function streamed(path, body, view, signal) {
  const response = await request(path, { json: { ...body, stream: true }, headers: { accept: "text/event-stream" }, signal });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response.json();
  let done;
  await messages(response, ({ event, data }) => {
    const value = JSON.parse(data);
    if (event === "passages") view.found(value);
    else if (event === "step") view.step?.(value);
    else if (event === "token") view.add(value.text);
    else if (event === "done") done = value;
    else if (event === "error") throw new ApiError(value.status, value);
  });
  if (!done) throw new Error("The answer broke off. Ask again.");
  return done;
}
