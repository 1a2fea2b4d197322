/** Strata of a study against their caps, with what is in flight: when to stop screening for one. */

import { el } from "./dom.js";
import { bar, scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { many, percent } from "./study_words.js";

/** Give the part of the funnel that tells of strata, of a forecast's data (older ones have none). */
export function strataOf(forecast) {
  const strata = forecast?.strata ?? [];
  return [flight(forecast), strata.length ? caps(strata) : null];
}

function flight(forecast) {
  const now = forecast?.in_flight;
  if (!now) return null;
  const { median, low, high } = now.expected;
  return el("p", {}, now.subjects ? `In the funnel now: ${many(now.subjects, "subject")}, of whom about ${median} will count (90 %: ${low} to ${high}).` : "Nobody is in the funnel now.");
}

function caps(strata) {
  const word = (one) => (one.cap === null ? "no cap" : one.stop ? sign("bad", "stop screening") : one.exceeds >= 0.5 ? sign("watch", "nearly full") : sign("good", "open"));
  return scrolling("Strata", tableOf("Strata: those who count and those in the funnel against the cap", ["Stratum", "Filled", ["Counted", "n"], ["In flight, expected", "n"], ["Cap", "n"], ["Exceeds it", "n"], ["Places left", "n"], "Screening"],
    strata.map((one) => [one.stratum, one.cap ? bar(Math.min(1, (one.counted + one.coming) / one.cap), false, one.stop ? "bad" : "plain") : "", String(one.counted), number(one.coming, 2), one.cap === null ? "–" : String(one.cap), one.cap === null ? "–" : percent(one.exceeds), one.cap === null ? "–" : number(one.free, 2), word(one)])));
}
