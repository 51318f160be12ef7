/** The demonstration's page: shows both sides once a second, and does what its buttons say. The key stays with its server. */

import { dress, offerLanguages, speaker, tag } from "../common/language.js";
import { TEXTS } from "./texts.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const STEPS = ["linked", "written", "opened", "answered", "read"];
const BADGES = { connected: "good", connecting: "wait", disconnected: "", error: "bad" };

const say = speaker(TEXTS);
const at = (id) => document.getElementById(id);
const until = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let state = null;
let current = null;
let code = null;
let tenantLink = null;
let waitedSince = null;

/** Ask the demonstration's own server. Throws an Error with a sentence for people. */
async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(say("unreachable"));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail ?? `HTTP ${answer.status}`);
  return said;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Put *items* into *list* when they changed, and keep the end in sight: a list made anew every second could not be read. */
function fill(list, items, make) {
  const now = JSON.stringify([tag(), items]);
  if (list.dataset.shown === now) return;
  list.dataset.shown = now;
  list.replaceChildren(...items.map(make));
  list.scrollTop = list.scrollHeight;
}

function ticks(how) {
  const made = element("span", `ticks ${how}`, how === "sent" ? "✓" : "✓✓");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", say(`tick_${how}`));
  return made;
}

function time(when) {
  return new Date(when).toLocaleTimeString(tag(), { hour: "2-digit", minute: "2-digit" });
}

function onPhone(item) {
  const line = element("li", item.own ? "own" : "");
  const meta = element("span", "meta", time(item.at * 1000));
  if (item.own) meta.append(ticks(item.delivered ? "delivered" : "sent"));
  line.append(element("span", "text", item.text), meta);
  return line;
}

function atDesk(row) {
  const line = element("li", row.remetente === "CLIENTE" ? "" : "own");
  const meta = element("span", "meta", `${row.remetente} · ${time(row.timestamp)}`);
  if (["sent", "delivered", "read"].includes(row.status)) meta.append(ticks(row.status));
  line.append(element("span", "text", row.conteudo ?? ""), meta);
  return line;
}

function done() {
  const { connection, atendimentos, messages, screen } = state;
  const ours = messages.filter((row) => row.remetente !== "CLIENTE");
  return {
    linked: connection.status === "connected",
    written: screen.some((item) => item.own),
    opened: atendimentos.length > 0,
    answered: ours.length > 0,
    read: ours.some((row) => row.status === "read"),
  };
}

function showSteps() {
  const reached = done();
  const next = STEPS.find((step) => !reached[step]) ?? null;
  for (const line of document.querySelectorAll("[data-step]")) {
    line.toggleAttribute("data-done", reached[line.dataset.step]);
    if (line.dataset.step === next) line.setAttribute("aria-current", "step");
    else line.removeAttribute("aria-current");
    const name = say(`step_${line.dataset.step}`);
    line.setAttribute("aria-label", reached[line.dataset.step] ? say("done", name) : name);
  }
  if (next === current) return;
  current = next;
  at("said").textContent = next ? say("next", say(`step_${next}`)) : say("all_done");
}

function showConnection() {
  const { status, reason, message, phone } = state.connection;
  const linked = status === "connected";
  at("status").className = `badge ${BADGES[status]}`;
  at("status").textContent = say(status);
  at("reason").textContent = reason === status ? "" : reason;
  at("sentence").textContent = message;
  at("sentence").hidden = linked || tag() !== at("sentence").lang; // the API says it in Portuguese
  at("linked").hidden = !linked;
  at("unlinked").hidden = linked;
  at("linked-as").textContent = say("linked_as", phone);
  if (linked) code = null;
}

function showCode() {
  at("qr").hidden = !code;
  at("qr-wait").hidden = Boolean(code);
  at("qr").alt = say("qr_image");
  at("scan").disabled = !code;
  if (code && at("qr").src !== code.image) at("qr").src = code.image;
}

function showDesk() {
  const [newest] = state.atendimentos;
  at("no-atendimento").hidden = Boolean(newest);
  at("facts").hidden = at("finish").hidden = !newest;
  at("messages").hidden = !newest;
  const facts = newest ? ["status", "nome_cliente", "numero_cliente", "canal"].map((name) => [name, newest[name]]) : [];
  fill(at("facts"), facts, ([name, value]) => {
    const pair = document.createDocumentFragment();
    pair.append(element("dt", "", name), element("dd", "", value ?? "null"));
    return pair;
  });
  fill(at("messages"), state.messages, atDesk);
}

function showPhone() {
  fill(at("screen"), state.screen, onPhone);
  const unread = state.messages.some((row) => row.remetente !== "CLIENTE" && row.status === "delivered");
  at("read").hidden = !unread;
}

/** What a person would write next; theirs to change. */
function suggest() {
  for (const [field, said] of [["write", state?.screen.some((item) => item.own)], ["answer", state && done().answered]]) {
    const input = at(`${field}-text`);
    const text = say(`${field}_${said ? "other" : "first"}`);
    if (!input.value || input.value === input.dataset.suggested) input.value = text;
    input.dataset.suggested = text;
  }
}

function tell(id, sentence) {
  const place = at(id);
  if (place.textContent !== sentence) place.textContent = sentence;
  place.hidden = !sentence;
}

/** Tell what was refused, or nothing. */
function trouble(sentence = "") {
  tell("trouble", sentence);
}

/** Tell that the database is away, once it has been for a while: at a start it always is, for a moment. */
function showWaiting() {
  waitedSince = state.trouble ? waitedSince ?? Date.now() : null;
  tell("waiting", waitedSince && Date.now() - waitedSince > PATIENCE_MS ? state.trouble : "");
}

function show() {
  dress(say);
  const link = at("tenant-link");
  link.hidden = !tenantLink;
  if (tenantLink) Object.assign(link.firstElementChild, { href: tenantLink, textContent: say("tenant_name") });
  suggest();
  if (!state) return;
  showWaiting();
  showSteps();
  showConnection();
  showCode();
  showDesk();
  showPhone();
}

async function seen() {
  if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

async function watch() {
  let unreachable = false;
  for (;;) {
    try {
      state = await ask("/state");
      if (unreachable) trouble();
      unreachable = false;
      show();
    } catch (error) {
      unreachable = true;
      trouble(error.message);
    }
    await until(EVERY_MS);
    await seen();
  }
}

/** Keep a code on the screen while no phone is linked; the service makes a new one before the old one ends. */
async function keepCode() {
  for (;;) {
    const wanted = state && ["disconnected", "connecting"].includes(state.connection.status) && state.connection.reason !== "linking";
    if (wanted && (!code || Date.parse(code.expiresAt) <= Date.now())) {
      try {
        code = await ask("/qr");
      } catch {
        code = null; // linked this moment, or not now: the state above says which
      }
      showCode();
    }
    await until(EVERY_MS);
    await seen();
  }
}

/** Have a button do something once at a time, and tell what was refused. */
function does(id, act) {
  const button = at(id);
  button.addEventListener("click", async () => {
    button.setAttribute("aria-disabled", "true");
    try {
      if (!busy.has(id)) await once(id, act);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

const busy = new Set();

async function once(id, act) {
  busy.add(id);
  try {
    await act();
    state = await ask("/state");
    trouble();
    show();
  } catch (error) {
    trouble(error.message);
  } finally {
    busy.delete(id);
  }
}

function sends(id) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const input = at(`${id}-text`);
    const text = input.value.trim();
    if (!text || busy.has(id)) return;
    once(id, async () => {
      await ask(`/${id}`, { text });
      input.value = "";
    });
  });
}

async function begin() {
  offerLanguages(at("languages"), () => {
    current = undefined;
    show();
  });
  does("scan", () => ask("/scan", {}));
  does("unlink", () => ask("/unlink", {}));
  does("read", () => ask("/read", {}));
  does("finish", () => ask("/finish", {}));
  does("tenant", async () => {
    tenantLink = (await ask("/tenant", {})).url;
  });
  sends("write");
  sends("answer");
  show();
  const links = await ask("/links").catch(() => null);
  if (links) {
    at("operator").href = `${links.service}/`;
    at("docs").href = `${links.service}/docs`;
  }
  await Promise.all([watch(), keepCode()]);
}

begin();
