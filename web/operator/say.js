/** Says numbers, ages and states in the current language. */

import { language, speaker, tag } from "../common/language.js";
import { inPortuguese } from "./causes.js";
import { reasons } from "./reasons.js";
import { texts } from "./texts.js";

export const say = speaker(texts);

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** "5 s", "3 min", "2 h", "4 dias". */
export function span(seconds) {
  const [unit, length] = UNITS.find(([, each]) => seconds >= each) ?? UNITS.at(-1);
  const value = Math.floor(seconds / length);
  const unitDisplay = unit === "day" ? "long" : "short";
  return new Intl.NumberFormat(tag(), { style: "unit", unit, unitDisplay }).format(value);
}

/** "há 5 s", "5 sec. ago". */
export function ago(seconds) {
  const [unit, length] = UNITS.find(([, each]) => seconds >= each) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(tag(), { style: "short" }).format(-Math.floor(seconds / length), unit);
}

export function clock(moment) {
  return new Intl.DateTimeFormat(tag(), { dateStyle: "short", timeStyle: "short" }).format(new Date(moment));
}

export function number(value) {
  return new Intl.NumberFormat(tag()).format(value);
}

/** "12 GB". */
export function size(bytes) {
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), SIZES.length - 1);
  const format = { style: "unit", unit: SIZES[step], unitDisplay: "short", maximumFractionDigits: step > 2 ? 1 : 0 };
  return new Intl.NumberFormat(tag(), format).format(bytes / 1000 ** step);
}

/** The number as far as it has to be seen to be recognised. */
export function masked(phone) {
  return phone ? `+${phone.slice(0, 2)} ••••• ${phone.slice(-4)}` : "";
}

/** What a connection's state means. */
export function sentence(connection) {
  return language() === "en" ? (reasons[connection.reason] ?? connection.message) : connection.message;
}

/** Put what is wrong into *element*: in the current language where it is known, and marked as English where it is not. */
export function tellCause(element, detail, before = "") {
  const portuguese = language() === "pt" ? inPortuguese(detail) : "";
  const text = before + (portuguese || detail);
  if (element.textContent === text) return;
  element.textContent = text;
  if (portuguese) element.removeAttribute("lang");
  else element.lang = "en";
}

/** What went wrong, for a person. */
export function problem(error) {
  const word = `problem_${error.code}`;
  return word in texts.en ? say(word) : error.message;
}
