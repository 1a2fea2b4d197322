/** Capacity now and as it will be used, the bottleneck with its confidence, how classes fare, and what legs take. */

import { el } from "./dom.js";
import { bar, scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { percent } from "./study_words.js";
import { span } from "./supply_charts.js";
import { empty, lineage, section } from "./supply_page.js";
import { hours, interval, shares, zoned } from "./supply_words.js";

const FULL = 0.95; // utilisation from which a queue grows without end but for its breaks; assumed

/** Show each resource: now, and over the simulated future. */
export function showCapacity({ data, forecast }) {
  if (!data) return section("capacity", false);
  const future = new Map((forecast?.data.resources ?? []).map((one) => [one.resource, one]));
  const neck = forecast?.data.bottleneck ?? null;
  const necks = new Map((neck?.resources ?? []).map((one) => [one.resource, one]));
  const total = (name) => (necks.get(name)?.sole.mean ?? 0) + (necks.get(name)?.shifting.mean ?? 0);
  const sorted = [...data.capacity].sort((a, b) => (b.usual - b.units) - (a.usual - a.units) || total(b.resource) - total(a.resource));
  section("capacity", true, neck?.resource ? el("p", { class: "big-says" }, "The bottleneck is ", el("b", {}, neck.resource), ` in ${percent(neck.share_of_replications)} of ${neck.replications} simulated futures.`) : null,
    scrolling("Capacity by resource", tableOf(forecast ? "Means over the simulated future with their 95 % intervals. Sole: the share of time in which it alone holds all others up; shifting: in which it does so together with another" : "No future was simulated yet: what is there now", ["Resource", ["Now", "n"], ["Usual", "n"], "Is", ["Utilisation", "n"], ["Queue", "n"], ["Wait", "n"], "Sole bottleneck", "Shifting"], sorted.map((one) => {
      const ahead = future.get(one.resource);
      const share = necks.get(one.resource);
      const days = (value) => hours(value * 24);
      return [one.resource, String(one.units), String(one.usual), one.units < one.usual ? sign("bad", `${one.usual - one.units} lost`) : one.units > one.usual ? sign("none", "more") : sign("good", "all there"),
        ahead ? (ahead.utilisation.mean >= FULL ? sign("watch", shares(ahead.utilisation)) : shares(ahead.utilisation)) : "–", ahead ? interval(ahead.waiting) : "–", ahead ? interval(ahead.wait_days, days) : "–", part(share?.sole), part(share?.shifting)];
    }))));
}

function part(one) {
  if (!one || one.mean === null) return "–";
  return el("span", { class: "with-bar" }, bar(Math.min(1, one.mean), false), shares(one));
}

/** Show the newest future: when it was asked, and how each class fares in it. */
export function showFuture({ data, forecast }) {
  if (!data) return section("future", false);
  if (!forecast) return section("future", true, empty("No future was simulated yet", "The network asks the re-simulation pool when patients are on the way, each six hours, and when capacity changes. ", el("a", { href: "/jobs?kind=supply" }, "The jobs page"), " shows what waits."));
  const future = forecast.data;
  const all = Math.max(...future.classes.flatMap((one) => one.days_quantiles).filter((one) => one !== null), 1);
  section("future", true, el("p", {}, `Asked ${zoned(future.asked)}, answered ${zoned(forecast.event_time)}: ${future.draws.toLocaleString("en")} futures of ${number(future.horizon_days)} days each. Advisory: no decision rests on it alone. `),
    scrolling("Classes of patients", tableOf("Days from the first step to the last, of those that end within the horizon", ["Class", ["Came", "n"], ["Finished", "n"], ["Left on the way", "n"], ["Mean days", "n"], ["Median", "n"], "5 to 95 %", "Interval"], future.classes.map((one) => {
      const [low, , middle, , high] = one.days_quantiles;
      return [one.class, interval(one.came), interval(one.finished), interval(one.left), interval(one.days, (value) => number(value, 3)), number(middle), `${number(low)} to ${high === null ? "beyond" : number(high)}`, middle === null ? "" : span([low, middle, high ?? all], all)];
    }))),
    el("button", { type: "button", class: "small", onclick: () => lineage("The simulated future", forecast) }, "Where from"));
}

/** Show what was learned of legs. */
export function showLanes({ data }) {
  if (!data) return section("lanes", false);
  const most = Math.max(1, ...data.lanes.map((one) => one.hours[2]));
  section("lanes", true, data.lanes.length ? scrolling("Legs learned", tableOf("Of the newest legs of each lane; of lanes with few of their own, other lanes of the step stand in", ["Leg to", "Lane", "Carrier", ["Learned from", "n"], ["5 %", "n"], ["Median", "n"], ["95 %", "n"], "Interval"], data.lanes.map((one) => [
    one.step, one.lane || "any", one.carrier || "any", `${one.legs} ${one.legs === 1 ? "leg" : "legs"}`, hours(one.hours[0]), hours(one.hours[1]), hours(one.hours[2]), span(one.hours, most)]))) : empty("No leg was learned yet", "What a leg takes is learned when a patient's scan ends it."));
}
