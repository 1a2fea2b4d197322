/** How a study's numbers are written: shares, intervals, days, money, and the words for what was found. */

import { number } from "./states.js";
import { stamp, zoneName } from "./times.js";

/** Write a share in percent; what is neither 0 nor 1 is never written as if it were. */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.005) return "< 1 %";
  if (share < 1 && share > 0.995) return "> 99 %";
  return `${Math.round(share * 100)} %`;
}

/** Write a moment, RFC 3339 text or null, as its day. */
export function day(text, otherwise = "beyond the horizon") {
  return text ? stamp(Date.parse(text)).slice(0, 10) : otherwise;
}

/** Write a moment to the minute with its zone. */
export function minute(text) {
  return text ? `${stamp(Date.parse(text)).slice(0, 16)} ${zoneName()}` : "–";
}

/** Write "low to high". */
export function range(low, high, write = (value) => number(value, 2)) {
  return `${write(low)} to ${write(high)}`;
}

/** Write money without its hundredths where it is large. */
export function money(value, currency = "") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Math.round(value * 100) / 100);
  return `${text.replace("-", "−")}${currency ? ` ${currency}` : ""}`;
}

/** Write a number with its sign. */
export function signed(value, digits = 2) {
  const size = Math.abs(value) >= 100 ? String(Math.round(Math.abs(value))) : number(Math.abs(value), digits);
  return `${value < 0 ? "−" : value > 0 ? "+" : ""}${size}`;
}

/** Write a count with its thing: 1 subject, 2 subjects. */
export function many(count, thing) {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}

const WHAT = { enrollment: "Enrollment", screen_failure: "Screen failure", consent: "Consent", screening_speed: "Screening speed" };

/** Say a change that was found in plain words. */
export function changeWords(change) {
  const of = change.unit === "{ratio}" ? "its odds " : "";
  const level = change.unit === "{ratio}" ? percent : (value) => `${number(value, 2)} a month`;
  return `${WHAT[change.what] ?? change.what.replaceAll("_", " ")} ${change.direction} about ${day(change.since, "an unknown day")} (between ${day(change.since_low, "?")} and ${day(change.since_high, "?")}): from ${level(change.before)} to ${level(change.after)}, ${of}× ${number(change.factor.median, 2)} (90 %: ${range(change.factor.low, change.factor.high)}). `
    + `Probability ${percent(change.probability)}; where nothing changes, the rule says so once in ${number(change.years_between_false_alarms, 2)} years.`;
}

/** Tell whether a change makes things worse. */
export function isWorse(change) {
  return (change.direction === "fell") === (change.what !== "screen_failure");
}

const CAUSES = {
  not_opened: ["sites are not open yet", "sites are open that were not planned yet"],
  opened_late: ["sites opened late", "sites opened early"],
  paused: ["sites paused", "sites paused less"],
  closed: ["sites closed", "sites closed later"],
  screened_fewer: ["fewer were screened", "more were screened"],
  in_screening: ["still in screening", "fewer in screening"],
  failed_more: ["more failed screening", "fewer failed screening"],
  other: ["other causes", "other causes"],
};

/** Say why a country is behind or ahead. */
export function causeWords(driver) {
  const words = CAUSES[driver.why];
  return words ? words[driver.subjects < 0 ? 0 : 1] : driver.why.replaceAll("_", " ");
}

/** Say why a fact waits. */
export function reasonWords(reason) {
  const text = reason.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
