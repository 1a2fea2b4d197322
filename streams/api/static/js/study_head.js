/** The head of a study's page: who it is, how far it is, whether it will be in time, and when. */

import { el, find, put, svg } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { sign } from "./signs.js";
import { STATES, badge, number } from "./states.js";
import { age, stamp, zoneName } from "./times.js";
import { day, many, minute, percent } from "./study_words.js";

/** Show identity: `twin` as the API gives it, its alerts, `live` whether the present is shown. */
export function showIdent(twin, alerts, live) {
  const data = twin.estimate?.data;
  const worst = alerts.filter((alert) => alert.open).map((alert) => alert.last.data.priority).sort((a, b) => STATES[b].rank - STATES[a].rank)[0];
  const knownAt = twin.last_known_at ? Date.parse(twin.last_known_at) : null;
  put(find("ident"),
    el("h1", {}, twin.key), badge(worst || (!data ? "no_data" : live && twin.stale ? "stale" : "normal")),
    el("dl", { class: "facts-row" },
      data ? pair("As of", minute(data.as_of)) : null,
      data ? pair("Facts", data.facts.toLocaleString("en")) : null,
      data ? pair("Counts", data.milestone) : null,
      pair("Model", twin.estimate?.model ?? "–"),
      knownAt ? pair("Last heard", `${stamp(knownAt).slice(0, 16)} ${zoneName()}`) : null),
    live && twin.stale ? el("strong", { class: "badge is-stale stale-note" }, `Stale: nothing was heard for ${age(knownAt)}`) : null,
    el("span", { class: "spring" }),
    el("a", { href: `/jobs?view=all&twin_kind=enrollment&twin_key=${encodeURIComponent(twin.key)}` }, "Jobs"),
    el("button", { type: "button", onclick: () => window.print() }, "Print"));
}

/** Find the target that the study is judged by: its own, else its last. */
export function mainTarget(forecast) {
  const targets = forecast?.data.targets ?? [];
  return targets.find((target) => target.name === "target") ?? targets.at(-1) ?? null;
}

/** Tell how good a probability to be on time is, as sign and word. */
export function verdict(probability) {
  if (probability >= 0.8) return ["good", "On course"];
  return probability >= 0.5 ? ["watch", "Uncertain"] : ["bad", "At risk"];
}

/** Show the figures of estimate and forecast (effects, either may be null). */
export function showFigures(estimate, forecast, alerts) {
  const data = estimate?.data;
  if (!data) return put(find("figures"), nothing());
  const open = alerts.filter((alert) => alert.open).sort((a, b) => STATES[b.last.data.priority].rank - STATES[a.last.data.priority].rank);
  put(find("figures"),
    counted(estimate), ...onTime(estimate, forecast),
    box("Rate now, all open sites", rate(data), "a month", `${many(data.sites_by_status.open, "site")} open of ${data.sites.names.length}`, () => lineage("Rate", estimate)),
    box("Standing alerts", String(open.length), "", open.length ? `${STATES[open[0].last.data.priority].word}: ${open[0].last.data.tag}` : "all quiet", () => find("alerts").querySelector("button")?.focus()));
}

function counted(estimate) {
  const { data } = estimate;
  const behind = data.planned === null ? null : data.counted - data.planned;
  const against = behind === null ? "no plan by site to compare with" : `${number(Math.abs(behind), 2)} ${behind < 0 ? "behind" : "ahead of"} the plan of ${Math.round(data.planned)} by now`;
  const share = Math.min(1, data.counted / Math.max(1, data.target));
  const node = box(`${data.milestone === "enrolled" ? "Enrolled" : "Randomised"}, by ${day(data.by)}`, data.counted.toLocaleString("en"), `of ${data.target.toLocaleString("en")}`, against, () => lineage("Counted", estimate));
  node.append(el("span", { class: "gauge", "aria-hidden": "true" }, svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none" }, svg("rect", { width: 100 * share, height: 4 }))));
  return node;
}

function onTime(estimate, forecast) {
  const target = mainTarget(forecast);
  if (!target) return [box("On time", "–", "", "No forecast yet: one is said when a site is planned or open")];
  if (target.reached) return [box("Target", "reached", "", `${target.count} ${target.of} on ${day(target.reached)}, ${Date.parse(target.reached) <= Date.parse(target.by) ? "in time" : "late"}`, () => lineage("Target", forecast))];
  const [how, word] = verdict(target.probability);
  const [low, , middle, , high] = target.reached_at;
  const late = middle ? Math.round((Date.parse(middle) - Date.parse(target.by)) / 8.64e7) : null;
  const chance = box(`On time, by ${day(target.by)}`, percent(target.probability), "probability", sign(how, word), () => lineage("Target", forecast), true);
  chance.dataset.figure = "on-time";
  return [chance,
    box("Expected", day(middle, "not within the horizon"), "", [`90 %: ${day(low, "beyond")} to ${day(high, "beyond")}`, late === null ? "" : el("br"), late === null ? "" : `median ${many(Math.abs(late), "day")} ${late > 0 ? "late" : "early"}`], () => lineage("Expected date", forecast), true)];
}

function rate(data) {
  return number(data.countries.reduce((sum, one) => sum + one.rate.median, 0), 3);
}

function lineage(title, effect) {
  showLineage(title, effectRows(effect), effect.id);
}

function box(what, big, small, below, onclick = null, ahead = false) {
  return el("button", { type: "button", class: `figure-box${ahead ? " ahead" : ""}`, onclick, disabled: !onclick },
    el("span", { class: "what" }, what), el("span", { class: "big" }, el("b", {}, big), small ? [" ", el("small", {}, small)] : null), el("span", { class: "range" }, below));
}

function nothing() {
  return el("div", { class: "empty" }, el("strong", {}, "No plan of this study is known"),
    "Facts are kept and wait for it. Send ", el("code", {}, "enrollment.study_planned"), " with target, date, countries and sites to ", el("code", {}, "POST /api/v1/events"), ", or read a file of it with ", el("code", {}, "twinstream replay FILE"), ".");
}

function pair(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}
