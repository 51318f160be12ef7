/** The operator's page: signs in, looks every few seconds, does what is asked. */

import { dress, offerLanguages } from "../common/language.js";
import { Api, keepKey, keptKey, Refused } from "./api.js";
import { Book } from "./book.js";
import { Connections } from "./connections.js";
import { askToAdd, askToRemove, closeAll, showLink } from "./dialogs.js";
import { Poll } from "./poll.js";
import { problem, say } from "./say.js";
import { Service } from "./service.js";

const SAID_MS = 6_000;
const $ = (id) => document.getElementById(id);

let api;
let poll;
let away = null;
let said;

const service = new Service();
const book = new Book((before) => api.book(before));
const connections = new Connections(act, (id) => api.truth(id));

function act(what, connection) {
  const name = connection.name;
  if (what === "restart") return attempt(() => api.restart(connection.connectionId), () => say("restarted", name));
  if (what === "link") return link(connection);
  const refocus = connections.focusAfter(connection.connectionId);
  return askToRemove(connection, () => api.remove(connection.connectionId), async ({ linkedOnPhone }) => {
    tell(say(linkedOnPhone ? "removedListed" : "removed", name));
    await poll.now();
    refocus();
  });
}

async function attempt(work, sentence) {
  try {
    await work();
    tell(sentence());
  } catch (error) {
    tell(problem(error));
  }
  await poll?.now();
}

async function link(connection) {
  try {
    showLink(connection, await api.pairLink(connection.connectionId), tell);
  } catch (error) {
    tell(problem(error));
  }
}

function add() {
  askToAdd((wanted) => api.create(wanted), async (made) => {
    tell(say("created", made.name));
    await poll.now();
    await link(made);
  });
}

/** The key goes in a header, which no link can carry: what comes back is opened in the link's place. */
async function openMetrics(event) {
  event.preventDefault();
  try {
    location.assign(URL.createObjectURL(new Blob([await api.metrics()], { type: "text/plain;charset=utf-8" })));
  } catch (error) {
    tell(problem(error));
  }
}

function tell(sentence) {
  clearTimeout(said);
  $("said").textContent = sentence;
  said = setTimeout(() => ($("said").textContent = ""), SAID_MS);
}

// Looking

function shown(answer) {
  notAway();
  connections.show(answer, api.skew);
  service.show(answer);
  if (answer.stats) book.look();
}

/** Answer false when there is no sense in asking again. */
function failed(error, seconds) {
  if (error instanceof Refused && error.status === 401) {
    signOut(say("keyChanged"));
    return false;
  }
  away = Date.now() + seconds * 1000;
  $("away").hidden = false;
  $("desk").classList.add("stale");
  sayAway(error instanceof Refused ? problem(error) : null);
  return true;
}

function notAway() {
  away = null;
  $("away").hidden = true;
  $("desk").classList.remove("stale");
}

function sayAway(sentence) {
  if (away === null) return;
  const seconds = Math.max(1, Math.round((away - Date.now()) / 1000));
  $("away-text").textContent = sentence ?? say("away", seconds);
}

// Signing in and out

async function signIn(key) {
  const trial = new Api(key);
  try {
    const answer = await trial.look(AbortSignal.timeout(15_000));
    [api, poll] = [trial, new Poll((signal) => trial.look(signal), shown, failed)];
    keepKey(key);
    openDesk();
    shown(answer);
    poll.start({ atOnce: false });
  } catch (error) {
    if (!(error instanceof Refused)) return say("awaySignIn");
    if (error.status === 401) return say("keyWrong");
    return error.code === "too_many_keys" ? say("keyTooMany", error.retryAfter) : problem(error);
  }
  return "";
}

function openDesk() {
  $("sign-in").hidden = true;
  $("desk").hidden = $("sign-out").hidden = false;
}

function signOut(why = "") {
  poll?.stop();
  [api, poll] = [undefined, undefined];
  keepKey("");
  closeAll();
  connections.clear();
  service.clear();
  book.clear();
  notAway();
  $("desk").hidden = $("sign-out").hidden = true;
  $("sign-in").hidden = false;
  $("key").value = "";
  wrongKey(why);
  $("key").focus();
}

function wrongKey(sentence) {
  $("key-wrong").textContent = sentence;
  $("key").toggleAttribute("aria-invalid", false);
  if (sentence) $("key").setAttribute("aria-invalid", "true");
}

async function submitKey(event) {
  event.preventDefault();
  const key = $("key").value.trim();
  if (!key) return wrongKey(say("keyMissing"));
  const button = $("key-form").querySelector("button");
  button.disabled = true;
  const sentence = await signIn(key);
  button.disabled = false;
  wrongKey(sentence);
  if (sentence) return $("key").focus();
  $("key").value = "";
  return $("main").focus();
}

// The page itself

function speak() {
  dress(say);
  connections.again();
  service.again();
  book.again();
  sayAway(null);
}

function begin() {
  offerLanguages($("languages"), speak);
  dress(say);
  $("search").placeholder = say("search");
  $("key-form").addEventListener("submit", submitKey);
  $("sign-out").addEventListener("click", () => signOut());
  $("retry").addEventListener("click", () => poll?.now());
  $("add").addEventListener("click", add);
  $("add-first").addEventListener("click", add);
  $("metrics").addEventListener("click", openMetrics);
  $("initialize").addEventListener("click", () => attempt(() => api.initialize(), () => say("initialized")));
  const key = keptKey();
  if (!key) return signOut();
  api = new Api(key);
  poll = new Poll((signal) => api.look(signal), shown, failed);
  openDesk();
  return poll.start();
}

begin();
