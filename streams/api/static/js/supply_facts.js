/** The raw facts of a supply twin, each with the way to its record. */

import { el, setText, find } from "./dom.js";
import { get } from "./net.js";
import { scrolling, tableOf } from "./signs.js";
import { number } from "./states.js";
import { FAMILY, factLineage, section } from "./supply_page.js";
import { moment, plain } from "./supply_words.js";
import { microseconds, rfc } from "./times.js";

const BEFORE_US = 200 * 86_400e6; // facts may lie so long before the first estimate: a therapy is ordered weeks ahead
const SHOWN = 25;
const PLUMBING = ["hash", "kind", "event_time", "event_time_zone_offset", "clock", "extensions"]; // the record has them
const state = { all: false };

/** Read the facts of a twin as of a moment, the oldest first. */
export async function loadFacts(key, moment, twin) {
  const first = twin.extent.event_time?.[0];
  if (!first) return [];
  const start = rfc(microseconds(first) - BEFORE_US);
  const found = await get("history", { kind: FAMILY, key, ...moment, start, end: moment.at ?? twin.now, points: 2, part: "facts" });
  return found.facts ?? [];
}

/** Show them, the newest first. */
export function showFacts({ facts }, redraw) {
  const newest = [...facts].reverse();
  const shown = state.all ? newest : newest.slice(0, SHOWN);
  setText(find("facts-title"), `Facts: ${facts.length.toLocaleString("en")}`);
  section("facts", facts.length > 0,
    scrolling("Facts, the newest first", tableOf("", ["Happened", "Known", "What", "Says", "From"], shown.map((fact) => [
      el("time", { datetime: fact.event_time }, moment(fact.event_time)), el("time", { datetime: fact.known_at }, moment(fact.record_time)), plain(fact.type.split(".").pop()), el("span", { class: "reason" }, saying(fact.data)),
      el("button", { type: "button", class: "small", onclick: () => factLineage(fact) }, `offset ${fact.offset}`)]))),
    shown.length < newest.length ? el("button", { type: "button", onclick: () => { state.all = true; redraw(); } }, `Show all ${newest.length}`) : null);
}

function saying(data) {
  const parts = Object.entries(data).filter(([name, value]) => !PLUMBING.includes(name) && value !== null && value !== "" && !(Array.isArray(value) && !value.length));
  const text = parts.map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "object" ? short(value) : said(value)}`).join(", ");
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}

function said(value) {
  return typeof value === "number" && !Number.isInteger(value) ? number(value, 4) : String(value);
}

function short(value) {
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.slice(0, 6).map(said).join(" ") + (value.length > 6 ? " …" : "");
  return Array.isArray(value) ? `${value.length} entries` : Object.values(value).filter((one) => typeof one !== "object" && one !== null && one !== "").join(" ");
}
