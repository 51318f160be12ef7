/** Asks again and again: every few seconds, more slowly while nobody answers, not at all while nobody looks. */

const EVERY_MS = 3_000;
const LONGEST_MS = 30_000;

export class Poll {
  #ask;
  #shown;
  #failed;
  #timer;
  #asking;
  #failures = 0;

  /** *ask(signal)* asks; *shown(answer)* is told what came; *failed(error, seconds)* is told how long until the next try. */
  constructor(ask, shown, failed) {
    this.#ask = ask;
    this.#shown = shown;
    this.#failed = failed;
    this.look = () => (document.hidden ? this.#rest() : this.now());
  }

  /** Begin to ask; at once, or when something was shown just now. */
  start({ atOnce = true } = {}) {
    document.addEventListener("visibilitychange", this.look);
    if (atOnce) return this.now();
    this.#timer = setTimeout(() => this.now(), EVERY_MS);
    return undefined;
  }

  stop() {
    document.removeEventListener("visibilitychange", this.look);
    this.#rest();
  }

  /** Ask at once. What is being asked is given up: its answer would be older. */
  async now() {
    this.#rest();
    const asking = (this.#asking = new AbortController());
    let wait = EVERY_MS;
    try {
      const answer = await this.#ask(asking.signal);
      if (asking.signal.aborted) return;
      this.#failures = 0;
      this.#shown(answer);
    } catch (error) {
      if (asking.signal.aborted) return;
      wait = Math.max(Math.min(EVERY_MS * 2 ** this.#failures++, LONGEST_MS), (error.retryAfter ?? 0) * 1000);
      if (this.#failed(error, Math.round(wait / 1000)) === false) return;
    }
    if (!document.hidden) this.#timer = setTimeout(() => this.now(), wait);
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }
}
