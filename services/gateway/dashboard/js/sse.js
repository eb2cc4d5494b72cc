// Server-Sent Events out of a fetched body: `EventSource` can't send a POST.

/** @typedef {{event: string, data: string, id?: string}} Message */

/**
 * A parser that is fed pieces of text, cut anywhere, and calls back with whole messages.
 * @param {(message: Message) => void} onMessage
 */
export function parser(onMessage) {
  let rest = "";
  let event = "";
  let data = [];
  let id;

  function line(text) {
    if (text === "") {
      if (data.length) onMessage({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id") id = value;
  }

  return function feed(piece) {
    rest += piece;
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** Reads a response's messages until it ends. */
export async function messages(response, onMessage) {
  const feed = parser(onMessage);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    feed(value);
  }
}
