/** The tenant's page: shows what the service tells of the pairing, in words, and asks for a code to type. */

import { dress, language, offerLanguages, speaker } from "../common/language.js";
import { listen } from "./stream.js";
import { words } from "./words.js";

const $ = (id) => document.getElementById(id);
const here = location.pathname.replace(/\/+$/, "");
const say = speaker(words);

// What is shown. `look` is one of: preparing, linking, code, done, already, held, waiting, over, link.
const seen = { look: "preparing", state: null, key: null, phone: null, away: null, loggedOut: false };
let way = matchMedia("(pointer: coarse) and (max-width: 40rem)").matches ? "type" : "scan";
let phone = /iPhone|iPad|Macintosh/.test(navigator.userAgent) ? "iphone" : "android";
let scan = null; // {svg, until}
let typed = null; // {code, until}
let asking = false;
let wrong = null;
let aloud = "";

const stream = listen(`${here}/events`, {
  hear(name, data) {
    hears[name]?.(data);
    show();
  },
  away(why) {
    if (why === "link") seen.look = "link";
    seen.away = why === "link" ? null : why;
    show();
  },
  back() {
    if (seen.away) tell(say("reachable"));
    seen.away = null;
    show();
  },
  isLast: (name) => name === "connected" || name === "ended",
});

const UNLINKED = new Set(["never_paired", "pairing_ended", "logged_out", "passkey_required", "waiting_scan"]);

const hears = {
  state(data) {
    seen.state = data;
    if (data.reason === "logged_out") seen.loggedOut = true;
    if (data.reason === "linking") seen.look = "linking";
    else if (!UNLINKED.has(data.reason)) seen.look = seen.look === "linking" ? "linking" : "held";
    else if (seen.look !== "code") seen.look = "preparing";
  },
  code(data) {
    scan = { svg: data.svg, until: performance.now() + data.secondsLeft * 1000, life: data.secondsLeft };
    seen.look = "code";
  },
  held(data) {
    seen.look = "waiting";
    seen.key = data.error;
  },
  connected(data) {
    seen.look = scan || typed || seen.look === "linking" ? "done" : "already";
    seen.phone = data.phone;
  },
  ended(data) {
    seen.look = data.reason === "gone" ? "link" : "over";
    seen.key = data.reason;
    scan = typed = null;
  },
};

/** Answer what one of the plain looks says: its sign, its two texts, and what else. */
function plain() {
  const of = (texts, key, other) => texts[key] ?? texts[other];
  switch (seen.look) {
    case "preparing": return { sign: "wait", texts: say("preparing") };
    case "linking": return { sign: "wait", texts: say("linkingNow") };
    case "done": return { sign: "good", texts: say("done"), number: seen.phone };
    case "already": return { sign: "good", texts: say("already"), number: seen.phone };
    case "held": return { sign: "over", texts: held(), more: say("heldMore") };
    case "waiting": return { sign: seen.key === "disk_full" ? "stop" : "wait", texts: of(say("waiting"), seen.key, "other") };
    case "over": return { sign: seen.key === "pairing_ended" ? "over" : "stop", texts: of(say("over"), seen.key, "fault"), button: seen.key === "pairing_ended" ? "again" : "tryAgain" };
    default: return { sign: "stop", texts: say("link") };
  }
}

function held() {
  const [heading, sentence] = say("held");
  return [heading, seen.state?.message?.[language()] ?? sentence];
}

/** Put everything on the page as it is now. */
function show() {
  const coding = seen.look === "code";
  const focused = document.activeElement;
  $("linking").hidden = !coding;
  $("telling").hidden = coding;
  if (!coding) showPlain(plain());
  else showWays();
  showNotes();
  document.title = say(["done", "already"].includes(seen.look) ? "titleDone" : ["over", "link"].includes(seen.look) ? "titleOver" : "title");
  $("name").hidden = !seen.state || seen.look === "link";
  if (seen.state) $("name").textContent = say("name", seen.state.name);
  speak(coding ? say("qr") : plain().texts.join(" "), seen.look + (seen.key ?? "") + language());
  if (focused !== document.body && !focused.checkVisibility()) $(coding ? "way-heading" : "telling-heading").focus();
}

function showPlain({ sign, texts, number, more, button }) {
  for (const each of $("sign").children) each.classList.toggle("shown", each.dataset.sign === sign);
  const [heading, sentence] = texts;
  $("telling-heading").textContent = heading;
  $("telling-words").textContent = sentence;
  put("telling-number", number);
  put("telling-more", more);
  put("again", button && say(button));
}

function showNotes() {
  put("away-words", seen.away && say(seen.away === "busy" ? "awayBusy" : "awayUnreachable"));
  $("away").hidden = !seen.away;
  const note = seen.loggedOut && ["code", "preparing", "over"].includes(seen.look);
  put("note-words", note && say("loggedOut"));
  $("note").hidden = !note;
}

function showWays() {
  for (const each of $("ways").children) each.setAttribute("aria-pressed", String(each.dataset.way === way));
  for (const each of $("phones").children) each.setAttribute("aria-pressed", String(each.dataset.phone === phone));
  $("scan").hidden = way !== "scan";
  $("type").hidden = way !== "type";
  const source = `data:image/svg+xml,${encodeURIComponent(scan.svg)}`;
  if ($("qr").src !== source) $("qr").src = source;
  $("qr").alt = say("qr");
  $("get-code").textContent = say(asking ? "gettingCode" : typed ? "getAnother" : "getCode");
  $("get-code").setAttribute("aria-disabled", String(asking));
  $("get-code").classList.toggle("primary", !typed);
  put("number-wrong", wrong && (say("wrong")[wrong] ?? say("wrong").other));
  $("number").setAttribute("aria-invalid", String(wrong === "empty" || wrong === "not_an_address"));
  $("typed").hidden = !typed;
  if (typed) $("letters").textContent = typed.code;
  showSteps();
  tick();
}

function showSteps() {
  const drawings = [...(phone === "iphone" ? ["iphone-settings", "iphone-devices"] : ["android-menu", "android-devices"]), "link-button", way === "scan" ? "aim" : "type-code"];
  const wanted = drawings.join() + language();
  if ($("steps").dataset.shown === wanted) return;
  $("steps").dataset.shown = wanted;
  $("steps").replaceChildren(...drawings.map((drawing) => step(drawing, say("steps")[drawing])));
}

function step(drawing, sentence) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${drawing}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  const item = document.createElement("li");
  const text = document.createElement("p");
  text.append(...sentence.split(/\[(.+?)\]/).map((part, index) => (index % 2 ? strong(part) : part)));
  item.append(svg, text);
  return item;
}

function strong(words) {
  const made = document.createElement("strong");
  made.textContent = words;
  return made;
}

/** Move the countdowns on. They are not read aloud: somebody who listens needs to hear other things. */
function tick() {
  if (seen.look !== "code") return;
  const left = seen.away ? 0 : Math.max(0, Math.ceil((scan.until - performance.now()) / 1000));
  $("scan-bar").value = scan.life ? left / scan.life : 0;
  $("scan-left").textContent = left ? say("scanLeft", left) : seen.away ? "" : say("scanNext");
  $("qr").parentElement.classList.toggle("stale", !left);
  if (typed) {
    const valid = Math.max(0, Math.ceil((typed.until - performance.now()) / 1000));
    $("typed-left").textContent = valid ? say("typedLeft", valid) : say("typedOver");
  }
}

function put(id, text) {
  $(id).hidden = !text;
  $(id).textContent = text || "";
}

/** Say a thing aloud once, when it is new. */
function speak(text, key) {
  if (aloud === key) return;
  aloud = key;
  tell(text);
}

function tell(text) {
  $("aloud").textContent = text;
}

async function askForCode() {
  if (asking) return;
  const number = $("number").value.trim();
  wrong = number ? null : "empty";
  asking = Boolean(number);
  show();
  if (asking) {
    try {
      await receive(await fetch(`${here}/code`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ phone: number }) }));
    } catch {
      wrong = "unreachable";
    }
    asking = false;
    show();
  }
  if (wrong === "empty" || wrong === "not_an_address") $("number").focus();
}

async function receive(answer) {
  const told = await answer.json();
  if (answer.ok) {
    typed = { code: told.code, until: performance.now() + told.secondsLeft * 1000 };
    tell(say("letters", [...told.code].join(" ")));
  } else {
    wrong = answer.status === 404 ? "link" : answer.status === 422 ? "not_an_address" : told.code;
  }
}

function begin() {
  Object.assign(seen, { look: "preparing", key: null, away: null });
  show();
  stream.start();
}

$("again").addEventListener("click", () => {
  begin();
  $("telling-heading").focus();
});
$("ways").addEventListener("click", ({ target }) => choose(target.dataset.way));
$("to-code").addEventListener("click", () => {
  choose("type");
  $("number").focus();
});
$("phones").addEventListener("click", ({ target }) => {
  phone = target.dataset.phone ?? phone;
  show();
});
$("type").addEventListener("submit", (event) => {
  event.preventDefault();
  askForCode();
});
$("number").addEventListener("input", () => {
  if (!wrong) return;
  wrong = null;
  show();
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(typed.code);
  $("copy").textContent = say("copied");
  tell(say("copied"));
});

function choose(wanted) {
  way = wanted ?? way;
  show();
}

$("copy").hidden = !navigator.clipboard;
offerLanguages($("languages"), () => {
  dress(say);
  show();
});
dress(say);
begin();
setInterval(tick, 250);
