/** Calls the service with the key, which is kept in this tab only: never in an address, never in a cookie. */

const KEPT = "vigia-key";
const PATIENCE_MS = 10_000;
const CONNECTIONS = "/api/whatsapp-integration/connections";
const BOOTSTRAP = "/api/whatsapp-bootstrap";
const PAGE = 500;
const MOST = 2_000;
export const BOOK = 20;

/** The service refused: its `status`, a `code` for programs, a `detail` for people, `retryAfter` in seconds. */
export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.retryAfter = Number(retryAfter) || 1;
  }
}

/** Nobody answered, or something that is not the service. */
export class Unreachable extends Error {
  code = "unreachable";
}

export function keptKey() {
  return sessionStorage.getItem(KEPT) ?? "";
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEPT, key);
  else sessionStorage.removeItem(KEPT);
}

export class Api {
  #key;

  constructor(key) {
    this.#key = key;
  }

  /** How far this machine's clock is behind the service's, in milliseconds. */
  skew = 0;

  /** Answer everything the page shows; no `stats` where the service waits to be started. Raises `Refused`, `Unreachable`, or an AbortError. */
  async look(signal) {
    const status = await this.#call("GET", `${BOOTSTRAP}/status`, undefined, signal);
    if (!status.initialized) return { status, stats: null, items: [], total: 0 };
    const [stats, connections] = await Promise.all([
      this.#call("GET", `${BOOTSTRAP}/stats`, undefined, signal),
      this.#connections(signal),
    ]);
    return { status, stats, ...connections };
  }

  initialize() {
    return this.#call("POST", `${BOOTSTRAP}/initialize`);
  }

  create(wanted) {
    return this.#call("POST", CONNECTIONS, wanted);
  }

  restart(id) {
    return this.#call("POST", `${CONNECTIONS}/${encodeURIComponent(id)}/restart`);
  }

  remove(id) {
    return this.#call("DELETE", `${CONNECTIONS}/${encodeURIComponent(id)}`);
  }

  truth(id) {
    return this.#call("GET", `${CONNECTIONS}/${encodeURIComponent(id)}/truth`);
  }

  /** Answer a part of the book of actions, the newest first: the newest of all, or those older than the entry *before*. */
  async book(before) {
    const older = before === undefined ? "" : `&before=${before}`;
    return (await this.#call("GET", `${BOOTSTRAP}/audit?limit=${BOOK}${older}`)).items;
  }

  pairLink(id) {
    return this.#call("POST", `${CONNECTIONS}/${encodeURIComponent(id)}/pair-link`, {});
  }

  /** Answer the metrics as text: an address that is followed carries no key. */
  async metrics() {
    const answer = await this.#fetch("/metrics", { headers: { "X-API-KEY": this.#key } }, AbortSignal.timeout(PATIENCE_MS));
    if (!answer.ok) throw new Refused(answer.status, await answer.json(), answer.headers.get("Retry-After"));
    return answer.text();
  }

  async #connections(signal) {
    const items = [];
    let total = 0;
    do {
      const page = await this.#call("GET", `${CONNECTIONS}?limit=${PAGE}&offset=${items.length}`, undefined, signal);
      if (page.items.length === 0) return { items, total: items.length };
      items.push(...page.items);
      total = page.total;
    } while (items.length < Math.min(total, MOST));
    return { items, total };
  }

  async #call(method, path, body, signal) {
    const headers = { "X-API-KEY": this.#key, Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const patience = AbortSignal.timeout(method === "GET" ? PATIENCE_MS : 3 * PATIENCE_MS);
    const signals = signal ? AbortSignal.any([signal, patience]) : patience;
    let answer, told;
    try {
      answer = await this.#fetch(path, { method, headers, body: body && JSON.stringify(body) }, signals);
      told = await answer.json();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable(String(error));
    }
    const at = Date.parse(answer.headers.get("Date") ?? "");
    if (!Number.isNaN(at)) this.skew = at - Date.now();
    if (!answer.ok) throw new Refused(answer.status, told, answer.headers.get("Retry-After"));
    return told;
  }

  #fetch(path, wanted, signal) {
    return fetch(path, { ...wanted, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  }
}
