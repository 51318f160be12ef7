/** The table of connections. A row stays the same element as long as its connection is there: focus is never lost. */

import { dress } from "../common/language.js";
import { ago, clock, masked, number, say, sentence } from "./say.js";
import { Truth } from "./truth.js";

const KINDS = { connected: "good", connecting: "wait", disconnected: "", error: "bad" };
const TOOLS_FROM = 6;
const UNPAIRED = new Set(["never_paired", "pairing_ended", "logged_out", "passkey_required", "waiting_scan"]);

export class Connections {
  #table = document.getElementById("connections");
  #body = this.#table.querySelector("tbody");
  #template = document.getElementById("row").content.firstElementChild;
  #filters = document.getElementById("filters");
  #search = document.getElementById("search");
  #rows = new Map();
  #items = [];
  #total = 0;
  #skew = 0;
  #filter = "";

  /** *act(what, connection)* is told of a pressed button: "link", "restart" or "remove"; *truth(id)* answers what is known of one. */
  constructor(act, truth) {
    [this.act, this.truth] = [act, truth];
    this.#search.addEventListener("input", () => this.#show());
    for (const each of ["", ...Object.keys(KINDS)]) this.#filters.append(this.#filterButton(each));
  }

  show({ items, total }, skew) {
    [this.#items, this.#total, this.#skew] = [items, total, skew];
    this.#show();
  }

  /** Say everything again, in another language. */
  again() {
    for (const { element } of this.#rows.values()) dress(say, element);
    this.#search.placeholder = say("search");
    this.#show();
  }

  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
    [this.#items, this.#filter, this.#search.value] = [[], "", ""];
  }

  /** Put the focus where it makes sense once a row is gone. */
  focusAfter(id) {
    const ids = [...this.#rows.keys()];
    const next = ids[ids.indexOf(id) + 1] ?? ids[ids.indexOf(id) - 1];
    return () => (this.#rows.get(next)?.element.querySelector(".remove") ?? document.getElementById("main")).focus();
  }

  #show() {
    const wanted = this.#items.filter((each) => this.#matches(each));
    const there = new Set(wanted.map((each) => each.connectionId));
    for (const [id, row] of this.#rows) {
      if (there.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    wanted.forEach((each, place) => this.#place(this.#row(each), place));
    this.#showAround(wanted.length);
  }

  #showAround(shown) {
    const any = this.#items.length > 0;
    document.getElementById("loading").hidden = true;
    document.getElementById("empty").hidden = any;
    document.getElementById("nothing").hidden = !any || shown > 0;
    document.getElementById("tools").hidden = this.#items.length < TOOLS_FROM && !this.#filter && !this.#search.value;
    this.#table.hidden = shown === 0;
    const more = document.getElementById("more");
    more.hidden = this.#items.length >= this.#total;
    more.textContent = more.hidden ? "" : say("more", number(this.#items.length), number(this.#total));
    for (const button of this.#filters.children) this.#count(button);
  }

  #matches({ connectionId, name, phone, status }) {
    const sought = this.#search.value.trim().toLowerCase();
    if (this.#filter && status !== this.#filter) return false;
    return !sought || [connectionId, name, phone ?? ""].some((each) => each.toLowerCase().includes(sought));
  }

  #row(connection) {
    const id = connection.connectionId;
    if (!this.#rows.has(id)) {
      const row = { element: this.#template.cloneNode(true), connection };
      dress(say, row.element);
      for (const what of ["link", "restart", "remove"]) {
        row.element.querySelector(`.${what}`).addEventListener("click", () => this.act(what, row.connection));
      }
      row.truth = new Truth(row.element.querySelector(".truth"), () => this.truth(id));
      this.#rows.set(id, row);
    }
    const row = this.#rows.get(id);
    row.connection = connection;
    row.truth.look();
    this.#fill(row.element, connection);
    return row.element;
  }

  #fill(element, connection) {
    const { connectionId, name, phone, status, reason, lastEventAt } = connection;
    const find = (part) => element.querySelector(part);
    put(find(".name"), name);
    put(find(".id"), connectionId);
    put(find(".phone"), masked(phone));
    put(find(".badge"), say(status));
    find(".badge").className = `badge ${KINDS[status]}`;
    put(find(".sentence"), status === "connected" ? "" : sentence(connection));
    const time = find("time");
    put(time, lastEventAt ? ago(Math.max(0, (Date.now() + this.#skew - Date.parse(lastEventAt)) / 1000)) : say("never"));
    time.dateTime = lastEventAt ?? "";
    time.title = lastEventAt ? clock(lastEventAt) : "";
    find(".link").hidden = !UNPAIRED.has(reason);
    find(".restart").hidden = UNPAIRED.has(reason) || reason === "linking";
    label(find(".truth summary"), say("truthOf", name));
    label(find(".link"), say("doLinkOf", name));
    label(find(".restart"), say("doRestartOf", name));
    label(find(".remove"), say("doRemoveOf", name));
  }

  #place(element, place) {
    if (this.#body.children[place] !== element) this.#body.insertBefore(element, this.#body.children[place] ?? null);
  }

  #filterButton(status) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.status = status;
    button.addEventListener("click", () => {
      this.#filter = status;
      this.#show();
    });
    return button;
  }

  #count(button) {
    const status = button.dataset.status;
    const count = this.#items.filter((each) => !status || each.status === status).length;
    put(button, `${say(status ? `all_${status}` : "all")} ${number(count)}`);
    button.setAttribute("aria-pressed", String(status === this.#filter));
  }
}

/** Change a text only when it is another one: screen readers and selections are left alone. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function label(element, text) {
  if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
}
