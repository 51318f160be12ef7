/** The book of what was done, by the watchdog and by people: shown for as long as somebody has it open. */

import { BOOK } from "./api.js";
import { put } from "./connections.js";
import { clock, problem, say, tellCause } from "./say.js";
import { texts } from "./texts.js";

export class Book {
  #section = document.getElementById("book-section");
  #list = document.getElementById("book");
  #older = document.getElementById("book-older");
  #wrong = document.getElementById("book-wrong");
  #template = document.getElementById("action").content.firstElementChild;
  #items = [];
  #all = false;
  #ask;

  /** *ask(before)* answers a part of the book. */
  constructor(ask) {
    this.#ask = ask;
    this.#section.addEventListener("toggle", () => this.look());
    this.#older.addEventListener("click", () => this.#turn());
  }

  /** Look for what is new, if it is open. */
  async look() {
    if (!this.#section.open) return;
    await this.#read(undefined, (newest) => {
      const known = newest.findIndex(({ id }) => id === this.#items[0]?.id);
      if (known < 0) this.#all = newest.length < BOOK; // the first look, or more happened than one part holds
      this.#items = known < 0 ? newest : [...newest.slice(0, known), ...this.#items];
    });
  }

  /** Say everything again, in another language. */
  again() {
    this.#list.replaceChildren();
    this.#show();
  }

  clear() {
    [this.#items, this.#all, this.#section.open] = [[], false, false];
    this.again();
  }

  async #turn() {
    const last = this.#items.at(-1).id;
    await this.#read(last, (older) => {
      if (this.#items.at(-1)?.id !== last) return; // asked twice, or closed meanwhile
      this.#all = older.length < BOOK;
      this.#items.push(...older);
    });
  }

  async #read(before, take) {
    try {
      take(await this.#ask(before));
      put(this.#wrong, "");
      this.#show();
    } catch (error) {
      put(this.#wrong, problem(error));
    }
  }

  #show() {
    const shown = new Map([...this.#list.children].map((each) => [each.dataset.id, each]));
    const entries = this.#items.map((entry) => shown.get(String(entry.id)) ?? this.#entry(entry));
    if (entries.some((each, place) => this.#list.children[place] !== each) || entries.length < shown.size)
      this.#list.replaceChildren(...entries);
    document.getElementById("book-empty").hidden = this.#items.length > 0;
    this.#older.hidden = this.#all || this.#items.length === 0;
  }

  #entry({ id, at, actor, action, about, why, done }) {
    const made = this.#template.cloneNode(true);
    made.dataset.id = id;
    put(made.querySelector("time"), clock(at));
    made.querySelector("time").dateTime = at;
    put(made.querySelector(".actor"), known("actor", actor));
    put(made.querySelector(".what"), known("did", action));
    put(made.querySelector(".about"), about);
    const failed = made.querySelector(".badge");
    failed.hidden = done;
    put(failed, say("notDone"));
    tellCause(made.querySelector(".why"), why);
    return made;
  }
}

function known(what, word) {
  return `${what}_${word}` in texts.en ? say(`${what}_${word}`) : word;
}
