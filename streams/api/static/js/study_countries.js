/** Countries by health: what each brought and brings now against plan and cap, and what was found to have changed. */

import { el, find, put, svg } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { changeWords, isWorse, range, signed } from "./study_words.js";

const BEHIND = 0.8; // of what was planned by now: less is worth a look
const WORST_FIRST = { bad: 0, watch: 1, good: 2, none: 3 };

/** Show the countries of an estimate's data, the worst first. */
export function showCountries(data) {
  find("countries").hidden = !data;
  if (!data) return;
  const study = data.changes.filter((change) => change.of === "study");
  const most = Math.max(0.1, ...data.countries.map((one) => one.rate.high));
  const rows = data.countries.map((one) => ({ one, health: healthOf(one, changesOf(data, one.country)) }))
    .sort((a, b) => WORST_FIRST[a.health[0]] - WORST_FIRST[b.health[0]] || (a.one.country < b.one.country ? -1 : 1));
  put(find("countries-body"),
    study.length ? el("ul", { class: "says" }, study.map((change) => el("li", {}, sign(isWorse(change) ? "bad" : "good", "The study"), " ", changeWords(change)))) : null,
    rows.length ? scrolling("Table of countries", tableOf("Rates are subjects a month with the sites now open, with 90 % intervals", ["Country", "Health", ["Counted", "n"], ["Planned by now", "n"], ["Difference", "n"], ["Cap", "n"], ["Open sites", "n"], ["Rate", "n"], "Interval", "Found"],
      rows.map(({ one, health }) => row(one, health, changesOf(data, one.country), most)))) : el("p", { class: "muted" }, "The plan names no country yet."));
}

function changesOf(data, name) {
  return data.changes.filter((change) => change.of === "country" && change.name === name);
}

function healthOf(one, changes) {
  if (changes.some(isWorse)) return ["bad", "Fell"];
  if (!one.sites) return ["none", "No site yet"];
  if (one.cap !== null && one.counted >= one.cap) return ["none", "Cap reached"];
  if (!one.open_sites) return ["watch", "No site open"];
  if (one.planned !== null && one.counted < BEHIND * one.planned) return ["watch", "Behind plan"];
  return ["good", one.planned === null ? "Running" : "As planned"];
}

function row(one, [how, word], changes, most) {
  const difference = one.planned === null ? "–" : signed(Math.round((one.counted - one.planned) * 10) / 10);
  return [one.country, sign(how, word), String(one.counted), one.planned === null ? "–" : number(one.planned, 2), difference, one.cap === null ? "–" : String(one.cap), `${one.open_sites} of ${one.sites}`,
    one.open_sites ? `${number(one.rate.median, 2)} (${range(one.rate.low, one.rate.high)})` : "–", one.open_sites ? interval(one.rate, most) : "",
    changes.length ? el("ul", { class: "found" }, changes.map((change) => el("li", {}, changeWords(change)))) : el("span", { class: "muted" }, "no change")];
}

/** Draw an interval with its middle on a scale from 0 to `most`. */
export function interval({ median, low, high }, most) {
  const x = (value) => Math.max(0.5, Math.min(99.5, (value / most) * 100));
  return svg("svg", { class: "interval", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M0 9.5h100", class: "axis-line" }), svg("rect", { x: x(low), y: 3, width: Math.max(0.6, x(high) - x(low)), height: 4 }), svg("path", { d: `M${x(median)} 0.5v9`, class: "middle" }));
}
