/** The queues, the figures and the troubles of the service. */

import { dress } from "../common/language.js";
import { put } from "./connections.js";
import { number, say, size, span, tellCause } from "./say.js";

const KINDS = { running: "good", waiting: "wait", parked: "bad" };
const BEHIND_S = 10;
const SAID = /^(sink_parked|worker_given_up|spool:.*)$/; // by the status already

export class Service {
  #queues = document.getElementById("queues");
  #template = document.getElementById("queue").content.firstElementChild;

  show({ status, stats }) {
    this.#told = { status, stats };
    document.getElementById("lab").hidden = !status.lab;
    for (const part of ["connections", "queues", "service", "book"]) document.getElementById(`${part}-section`).hidden = !stats;
    document.getElementById("asleep").hidden = Boolean(stats);
    this.#showTroubles(status, stats?.findings ?? []);
    if (!stats) return;
    this.#showQueues(stats.sinks);
    this.#showFigures(status, stats);
  }

  #told;

  /** Say everything again, in another language. */
  again() {
    this.#queues.replaceChildren();
    if (this.#told) this.show(this.#told);
  }

  clear() {
    this.#told = undefined;
    document.getElementById("lab").hidden = true;
    document.getElementById("troubles").replaceChildren();
  }

  #showTroubles({ status, reasons }, findings) {
    const list = document.getElementById("troubles");
    const found = findings.filter(({ problem }) => !SAID.test(problem)).map(({ detail }) => ({ code: "", detail }));
    const told = [...reasons, ...found];
    while (list.children.length > told.length) list.lastElementChild.remove();
    told.forEach(({ code, detail }, place) => {
      const item = list.children[place] ?? list.appendChild(document.createElement("li"));
      item.className = `notice ${code && status === "unready" ? "bad" : "wait"}`;
      tellCause(item, detail, code.startsWith("sink_") ? `${queue(code.slice(5))}: ` : "");
    });
  }

  #showQueues(sinks) {
    while (this.#queues.children.length > sinks.length) this.#queues.lastElementChild.remove();
    sinks.forEach((sink, place) => {
      if (!this.#queues.children[place]) {
        const made = this.#template.cloneNode(true);
        dress(say, made);
        this.#queues.append(made);
      }
      this.#fill(this.#queues.children[place], sink);
    });
  }

  #fill(element, { name, state, reason, waiting, oldestSeconds, delivered, dead }) {
    const find = (part) => element.querySelector(part);
    const behind = state === "running" && (oldestSeconds ?? 0) > BEHIND_S;
    put(find("h3"), queue(name));
    put(find(".badge"), say(behind ? "behind" : state));
    find(".badge").className = `badge ${behind ? "wait" : KINDS[state]}`;
    find(".reason").hidden = !reason;
    find(".reason").classList.toggle("bad", state === "parked");
    tellCause(find(".reason"), reason);
    put(find(".waits"), number(waiting));
    put(find(".oldest"), waiting ? span(oldestSeconds ?? 0) : "–");
    put(find(".delivered"), number(delivered));
    put(find(".dead"), number(dead));
    find(".dead").classList.toggle("alarm", dead > 0);
  }

  #showFigures(status, stats) {
    const { database, sends } = stats;
    const kind = { embedded: say("embedded"), postgresql: "PostgreSQL", supabase: "Supabase" }[database.kind];
    const alarms = new Set();
    if (database.awaySeconds !== null) alarms.add("database");
    if (stats.diskFreeBytes < stats.diskLowBytes) alarms.add("diskFree");
    const unprocessed = stats.deadLetters.inbound;
    if (unprocessed) alarms.add("unprocessed");
    if (stats.workers.some((each) => each.gaveUp)) alarms.add("workers");
    const figures = {
      version: status.version,
      uptime: span(stats.uptimeSeconds),
      database: database.awaySeconds === null ? kind : `${kind}, ${say("databaseAway", span(database.awaySeconds))}`,
      diskFree: size(stats.diskFreeBytes),
      workers: number(stats.workers.length),
      pairings: number(stats.pairings),
      sends: say("sendsOf", number(sends.sent), number(sends.failed), number(sends.unknown)),
      unprocessed: unprocessed ? say("unprocessedOf", number(unprocessed)) : number(0),
    };
    const place = document.getElementById("figures");
    const made = Object.entries(figures).map(([word, value]) => figure(say(word), value, alarms.has(word)));
    if (place.textContent !== made.map((each) => each.textContent).join("")) place.replaceChildren(...made);
  }
}

function queue(name) {
  return ["record", "webhook", "alert"].includes(name) ? say(name) : name;
}

function figure(name, value, alarm) {
  const group = document.createElement("div");
  const term = group.appendChild(document.createElement("dt"));
  const told = group.appendChild(document.createElement("dd"));
  [term.textContent, told.textContent] = [name, value];
  told.classList.toggle("alarm", alarm);
  return group;
}
