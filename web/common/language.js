/**
 * The two languages of every page.
 *
 * Texts are `{pt: {word: "..."}, en: {word: "..."}}`; a text may be a function of values. The page says where a text goes:
 * `data-text="word"` for what an element holds, `data-label="word"` for its name when read aloud, `data-title="word"` for the
 * page's own name. The server has put the browser's language into <html lang>; a choice made here wins, and is remembered.
 */

const KEPT = "vigia-language";
const TAGS = { pt: "pt-BR", en: "en" };

let current = kept() ?? (document.documentElement.lang.startsWith("pt") ? "pt" : "en");

/** Answer "pt" or "en". */
export function language() {
  return current;
}

/** Answer the language as programs write it: "pt-BR" or "en". */
export function tag() {
  return TAGS[current];
}

/** Answer a function that says a word of *texts* in the current language. */
export function speaker(texts) {
  return (word, ...values) => {
    const text = texts[current][word] ?? texts.en[word];
    if (text === undefined) throw new Error(`no text for ${word}`);
    return typeof text === "function" ? text(...values) : text;
  };
}

/** Put the texts into *root*, and show the page. */
export function dress(say, root = document) {
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of root.querySelectorAll("[data-label]")) each.setAttribute("aria-label", say(each.dataset.label));
  if (root !== document) return;
  const title = document.querySelector("title[data-title]");
  if (title) title.textContent = say(title.dataset.title);
  document.documentElement.lang = tag();
  document.documentElement.dataset.ready = "";
}

/** Fill *place* with a button for each language, and call *changed* after one was chosen. */
export function offerLanguages(place, changed) {
  const buttons = [["pt", "Português"], ["en", "English"]].map(([code, name]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.lang = TAGS[code];
    button.textContent = name;
    button.addEventListener("click", () => {
      choose(code);
      press();
      changed();
    });
    button.dataset.code = code;
    return button;
  });
  const press = () => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.code === current)));
  press();
  place.classList.add("choice");
  place.setAttribute("role", "group");
  place.replaceChildren(...buttons);
}

function choose(code) {
  current = code;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // a browser that keeps nothing still speaks the language until the page is closed
  }
}

function kept() {
  try {
    const code = localStorage.getItem(KEPT);
    return code in TAGS ? code : null;
  } catch {
    return null;
  }
}
