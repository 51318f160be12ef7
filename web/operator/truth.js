/** What is known of a connection, shown in its row for as long as somebody has it open. */

import { put } from "./connections.js";
import { ago, clock, problem, say, span } from "./say.js";

export class Truth {
  #details;
  #ask;

  /** *ask()* answers what the service knows. */
  constructor(details, ask) {
    this.#details = details;
    this.#ask = ask;
    details.addEventListener("toggle", () => this.look());
  }

  /** Ask and show, if it is open. */
  async look() {
    if (!this.#details.open) return;
    const wrong = this.#details.querySelector(".wrong");
    try {
      this.#show(await this.#ask());
      put(wrong, "");
    } catch (error) {
      put(wrong, problem(error));
    }
  }

  #show(told) {
    const list = this.#details.querySelector("dl");
    const made = Object.entries(facts(told)).map(([word, value]) => fact(say(word), value));
    if (list.textContent !== made.map((each) => each.textContent).join("")) list.replaceChildren(...made);
  }
}

function facts(told) {
  const shown = {
    truthSince: clock(told.since),
    truthWorker: told.worker ? `${told.worker}, ${say(told.workerAlive ? "truthAlive" : "truthDead")}` : say("truthNone"),
    truthSocket: yes(told.socket),
    truthLoggedIn: yes(told.loggedIn),
    truthPump: yes(told.pump),
    truthHeard: age(told.heardSeconds),
    truthEvent: age(told.eventSeconds),
    truthSent: age(told.sentSeconds),
    truthKeepalive: told.keepaliveErrors ?? say("truthUnknown"),
  };
  if (told.retryInSeconds !== null) shown.truthRetry = span(Math.max(0, told.retryInSeconds));
  if (told.phoneSeenAt) shown.truthPhone = clock(told.phoneSeenAt);
  shown.truthAsOf = age(told.asOfSeconds);
  return shown;
}

function yes(value) {
  return value === null ? say("truthUnknown") : say(value ? "yes" : "no");
}

function age(seconds) {
  return seconds === null ? say("truthUnknown") : ago(seconds);
}

function fact(name, value) {
  const group = document.createElement("div");
  const term = group.appendChild(document.createElement("dt"));
  const told = group.appendChild(document.createElement("dd"));
  [term.textContent, told.textContent] = [name, String(value)];
  return group;
}
