/** What is asked before something is made, linked or deleted. */

import { clock, problem, say } from "./say.js";

const FIELDS = { name: "new-name", connectionId: "new-id", ownerId: "new-owner" };
const ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;
const $ = (id) => document.getElementById(id);

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll(".close")) button.addEventListener("click", () => dialog.close());
}

/** A form for a new connection. *make(wanted)* makes it; *made(connection)* is told. */
export function askToAdd(make, made) {
  const dialog = $("add-dialog");
  const form = $("add-form");
  form.reset();
  $("add-wrong").hidden = true;
  for (const field of Object.keys(FIELDS)) wrong(field, "");
  form.onsubmit = async (event) => {
    event.preventDefault();
    const wanted = Object.fromEntries(Object.entries(FIELDS).map(([field, id]) => [field, $(id).value.trim()]));
    if (!check(wanted)) return;
    await busy(form.querySelector(".primary"), $("add-wrong"), async () => {
      const connection = await make(wanted);
      dialog.close();
      made(connection);
    }, (error) => error.code === "connection_exists" && wrong("connectionId", problem(error)));
  };
  $("new-name").oninput = () => suggest();
  $("new-id").oninput = () => ($("new-id").dataset.own = "yes");
  delete $("new-id").dataset.own;
  dialog.showModal();
}

/** The link that was made for a connection. *said(text)* tells the person. */
export function showLink(connection, { url, expiresAt }, said) {
  const dialog = $("link-dialog");
  $("link-why").textContent = say("linkWhy", connection.name);
  $("link").value = url;
  $("link-until").textContent = say("linkUntil", clock(expiresAt));
  $("link-open").href = url;
  $("link-copy").onclick = async () => {
    $("link").select();
    try {
      await navigator.clipboard.writeText(url);
      said(say("copied"));
    } catch {
      said(say("notCopied"));
    }
  };
  $("link").onfocus = () => $("link").select();
  dialog.showModal();
  $("link-open").focus();
}

/** Whether a connection is to be deleted. *remove()* deletes it; *removed(answer)* is told. */
export function askToRemove(connection, remove, removed) {
  const dialog = $("remove-dialog");
  $("remove-title").textContent = say("removeTitle", connection.name);
  $("remove-wrong").hidden = true;
  $("remove-yes").onclick = () => busy($("remove-yes"), $("remove-wrong"), async () => {
    const answer = await remove();
    dialog.close();
    removed(answer);
  });
  dialog.showModal();
}

export function closeAll() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

/** A connection's id follows from its name until the person writes one. */
function suggest() {
  if ($("new-id").dataset.own) return;
  const plain = $("new-name").value.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  $("new-id").value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
}

function check(wanted) {
  const found = Object.entries(wanted).map(([field, value]) => {
    const text = !value ? say("fillIn") : field === "connectionId" && !ID.test(value) ? say("idWrong") : "";
    wrong(field, text);
    return text ? field : null;
  }).filter(Boolean);
  if (found.length) $(FIELDS[found[0]]).focus();
  return found.length === 0;
}

function wrong(field, text) {
  const input = $(FIELDS[field]);
  input.toggleAttribute("aria-invalid", false);
  if (text) input.setAttribute("aria-invalid", "true");
  $(`${FIELDS[field]}-wrong`).textContent = text;
}

async function busy(button, notice, work, handled = () => false) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  notice.hidden = true;
  try {
    await work();
  } catch (error) {
    handled(error);
    notice.textContent = problem(error);
    notice.hidden = false;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
