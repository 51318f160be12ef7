/**
 * Hears what the service tells of the pairing, for as long as the page is open: connects again by itself, also after the phone
 * slept. Read with `fetch`, which says why it was refused where an EventSource would not.
 */

const SILENCE_MS = 15_000; // the service gives a sign of life every few seconds
const PAUSES_MS = [1000, 2000, 4000, 8000, 15_000];
const SHORT_MS = 2000; // a stream that ends so soon is a failure, not its end

/**
 * Tell *hear* every event by (name, data), *away* of each failure: "link" (404: final), "busy", "unreachable", and *back* once it
 * is heard again. Answers {start, stop}; after an event that *isLast* it stops by itself.
 */
export function listen(url, { hear, away, back, isLast }) {
  let running = null;
  let failures = 0;
  let wake = () => {};

  const start = () => {
    stop();
    failures = 0;
    running = new AbortController();
    run(running);
  };
  const stop = () => {
    running?.abort();
    running = null;
    wake();
  };

  async function run(own) {
    while (own === running) {
      const began = performance.now();
      const ended = await once(own.signal);
      if (own !== running) return;
      if (ended === "last" || ended === "link") running = null;
      if (ended === "last") return;
      if (ended === "over" && performance.now() - began > SHORT_MS) continue;
      away(ended === "over" ? "unreachable" : ended);
      if (ended === "link") return;
      await pause(PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
    }
  }

  /** Follow one stream to its end: "last", "over", "link", "busy" or "unreachable". */
  async function once(signal) {
    const silence = new AbortController();
    let timer;
    const hush = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    hush();
    try {
      const answer = await fetch(url, { cache: "no-store", signal: either(signal, silence.signal) });
      if (answer.status === 404) return "link";
      if (answer.status === 429) return "busy";
      if (!answer.ok) return "unreachable";
      failures = 0;
      back();
      for await (const [name, data] of events(answer.body, hush)) {
        hear(name, data);
        if (isLast(name)) return "last";
      }
      return "over";
    } catch {
      return "unreachable";
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  function pause(ms) {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  document.addEventListener("visibilitychange", () => document.hidden || wake());
  addEventListener("online", () => wake());
  return { start, stop };
}

/** Give each event of a body as [name, data]; *heard* is called whenever anything came. */
async function* events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n");
        const of = (field) => lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
        if (of("event")) yield [of("event"), JSON.parse(of("data"))];
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function either(one, other) {
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort();
    signal.addEventListener("abort", () => both.abort(), { once: true });
  }
  return both.signal;
}
