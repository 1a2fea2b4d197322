/** What a forecast advises to feed, and when the model's limits are expected to be reached. Advice: nothing is fed by it. */

import { el, find, put } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number, quantityName, scaleFor, unitName } from "./states.js";
import { stamp } from "./times.js";

/** Show the advice of a forecast effect, or nothing where none is configured; `at` is the process's time [ms], `stale` that the unit fell silent since. */
export function showAdvice(forecast, { at, ended, stale }) {
  const advice = forecast?.data.advice;
  const limits = forecast?.data.process?.limits;
  find("advice").hidden = advice === undefined && !limits;
  if (find("advice").hidden) return;
  put(find("advice-body"),
    advice === undefined ? null : ended ? el("p", { class: "muted" }, "The run has ended: nothing is advised.") : advice === null ? el("p", { class: "muted" }, "No advice before a run has begun.") : advised(forecast, advice, at, stale),
    limits && Object.keys(limits).length ? expected(limits, forecast) : null);
}

function advised(forecast, advice, at, stale) {
  const lines = linesOf(advice, at);
  return el("div", { class: `advice is-${lines.how}` },
    el("p", { class: "advice-head" }, sign(lines.how, lines.word), " ", el("span", { class: "tag-advisory" }, "advisory: a person decides")),
    stale ? el("p", {}, sign("bad", "Stale: advised before the unit fell silent")) : null,
    el("ul", {}, lines.say.map((text) => el("li", {}, text))),
    el("p", { class: "muted" }, `To keep ${quantityName(advice.state)} above ${number(advice.floor)} ${unitName(advice.unit)} with probability ${number(advice.probability * 100)} % for ${number(advice.horizon_hours)} h, as of ${stamp(Date.parse(forecast.event_time))}. `,
      el("button", { type: "button", class: "small", onclick: () => lineage(forecast, advice) }, "Where from")));
}

/** Say what to do, by when, and what happens otherwise. */
export function linesOf(advice, at) {
  const name = quantityName(advice.state);
  const floor = `${number(advice.floor)} ${unitName(advice.unit)}`;
  const say = [];
  const until = (text) => `${stamp(Date.parse(text))}${Date.parse(text) <= at ? " (that moment has passed)" : ""}`;
  if (advice.rate_litres_per_hour !== null) say.push(`Feed at ${volume(advice.rate_litres_per_hour)}/h from now on.`);
  if (advice.bolus_litres !== null) say.push(`${say.length ? "Or feed" : "Feed"} ${volume(advice.bolus_litres)} at once, by ${advice.latest_time ? until(advice.latest_time) : "now"} at the latest.`);
  if (advice.verdict === "no admissible feed") say.push(`No feed that pump and vessel allow keeps ${name} above ${floor}.`);
  const { crosses_at: crosses } = advice.without;
  const risk = `the chance that ${name} is below ${floor}`;
  const percent = number((1 - advice.probability) * 100, 2);
  say.push(crosses ? `Otherwise ${risk} passes ${percent} % at ${until(crosses)}.` : `Without a feed ${risk} stays under ${percent} % that long.`);
  const how = { "no feed needed": "good", "no admissible feed": "bad" }[advice.verdict] ?? "watch";
  return { how, word: { "no feed needed": "No feed needed", feed: "Feed: at a rate or at once", "feed at a rate only": "Feed, at a rate", "feed a bolus only": "Feed, at once", "no admissible feed": "No admissible feed" }[advice.verdict] ?? advice.verdict, say };
}

function volume(litres) {
  const { factor, unit } = scaleFor("L", litres);
  return `${number(litres * factor)} ${unit}`;
}

function expected(limits, forecast) {
  const when = (text) => (text === null ? "beyond the horizon" : stamp(Date.parse(text)));
  const name = (rule) => `${quantityName(rule.slice(0, rule.lastIndexOf(".")))}, ${rule.slice(rule.lastIndexOf(".") + 1)}`;
  return [
    scrolling("Limits ahead", tableOf("When the model expects to be beyond a limit, nothing being fed, by probability", ["Limit", ["At", "n"], ["Greatest", "n"], ...Object.values(limits)[0].quantiles.map((q) => `${number(q * 100, 2)} %`)],
      Object.entries(limits).map(([rule, one]) => [name(rule), `${number(one.limit)} ${unitName(one.unit)}`, `${number(one.probability * 100)} %`, ...one.reached_at.map(when)]))),
    el("p", {}, el("button", { type: "button", class: "small", onclick: () => showLineage("Limits ahead", effectRows(forecast), forecast.id) }, "Where these limits come from")),
  ];
}

function lineage(forecast, advice) {
  showLineage("Feed advice", [
    ["Verdict", advice.verdict], ["Lane of the advice", "advisory: no decision rests on it alone"], ["Said in a forecast, whose", ""], ...effectRows(forecast),
    ["Rate", advice.rate_litres_per_hour === null ? null : `${number(advice.rate_litres_per_hour, 4)} L/h`], ["Bolus", advice.bolus_litres === null ? null : `${number(advice.bolus_litres, 4)} L`],
    ["Bolus by", advice.latest_time], ["Otherwise crosses", advice.without.crosses_at ?? "not within the horizon"],
  ], forecast.id);
}
