/** What could be done: the newest recommendation with its options ranked, and what became of earlier ones. */

import { el, find, put } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { decideOn } from "./study_decide.js";
import { day, many, minute, money, percent } from "./study_words.js";

const FEW = 8; // options shown before a person asks for all
const state = { all: false };
const sent = new Map(); // decisions sent from here: how many were known of their recommendation then
let shown = null;

/** Show corrections (effects, the newest first) of a study; `on` has `live` and `decided()`. */
export function showActions(estimate, corrections, on) {
  find("actions").hidden = !estimate;
  if (!estimate) return;
  shown = { estimate, corrections, on };
  const cases = casesOf(corrections);
  const newest = cases[0] ?? null;
  put(find("actions-body"), newest ? [advice(newest), options(newest.effect.data.record), excluded(newest.effect.data.record), how(newest), ...became(newest), earlier(cases.slice(1))]
    : el("div", { class: "empty" }, el("strong", {}, "Nothing is advised"), "Actions are ranked while a target is at risk or a country has fallen, and shown here when the re-simulation pool has answered."));
}

/** Join recommendations with the decisions and audits that name them. */
export function casesOf(corrections) {
  const found = new Map();
  for (const effect of corrections) {
    const { action, correction } = effect.data;
    const one = found.get(correction) ?? { effect: null, decisions: [], audits: [] };
    found.set(correction, one);
    if (action === "recommend") one.effect ??= effect;
    else (action === "decide" ? one.decisions : one.audits).push(effect);
  }
  return [...found.values()].filter((one) => one.effect);
}

function told({ effect, decisions }) {
  sent.set(effect.data.correction, decisions.length);
  redraw();
  shown.on.decided();
}

function isNothing(option) {
  return !option || option.actions.every((action) => action.action === "do_nothing");
}

function advice(one) {
  const { effect, decisions } = one;
  const { record } = effect.data;
  const best = record.options[record.chosen_place];
  const idle = isNothing(best);
  const standing = decisions.length ? decisionWords(decisions[0]) : null;
  return el("div", { class: `advice is-${idle ? "good" : "watch"}` },
    el("p", { class: "advice-head" }, sign(idle ? "good" : "watch", idle ? "Do nothing: no action is worth its price" : capital(record.chosen)), el("span", { class: "tag-advisory" }, "advisory: a person decides")),
    el("ul", {}, effect.data.summary.map((text) => el("li", {}, text)),
      idle ? null : el("li", {}, `Why: ${record.why}.`),
      idle && record.p_on_time < 0.5 ? el("li", {}, sign("bad", `The target stays at risk: on time with ${percent(record.p_on_time)}. Nothing that was weighed pays.`)) : null,
      el("li", {}, `As of ${minute(record.known_at)}, ${record.have} of ${record.wanted}; of the same future drawn ${record.draws.toLocaleString("en")} times.`)),
    standing ? el("p", {}, sign(standing.how, standing.word), " ", standing.text) : null,
    sent.get(effect.data.correction) === decisions.length ? el("p", { id: "decision-sent" }, sign("none", "Your decision is on the log"), " It shows here when the twin has read it.") : null,
    el("p", { class: "buttons-row" },
      shown.on.live ? el("button", { type: "button", id: "decide-open", onclick: () => decideOn(shown.estimate.key, one, () => told(one)) }, standing ? "Decide again…" : "Decide…") : el("span", { class: "muted" }, "Decisions are taken in the present: go back to live. "),
      el("button", { type: "button", class: "small", onclick: () => lineage(effect) }, "Where from")));
}

function options(record) {
  const rows = record.options.map((option, place) => ({ option, place }));
  const kept = state.all ? rows : rows.filter(({ option, place }) => place < FEW || place === record.chosen_place || isNothing(option));
  const more = rows.length - kept.length;
  return [
    scrolling("Options, ranked", tableOf(`Options by expected total cost, a day being worth ${money(record.price_of_day, record.currency)}; each against doing nothing, with 90 % intervals`,
      ["Option", ["Days gained", "n"], ["P(on time)", "n"], ["Cost", "n"], ["a day gained", "n"], ["Works in", "n"], ["Saves", "n"], ["Best in", "n"], "Stands before it"],
      kept.map(({ option, place }) => row(option, place, record)))),
    more > 0 ? el("button", { type: "button", class: "small", onclick: () => { state.all = true; redraw(); } }, `Show ${more} more`) : null,
    record.options_left_out ? el("p", { class: "muted" }, `${many(record.options_left_out, "worse option")} stand in the whole answer of the job.`) : null,
  ];
}

function row(option, place, record) {
  const name = place === record.chosen_place ? el("span", { class: "picked" }, sign("good", "Recommended"), el("strong", {}, capital(option.words))) : el("span", {}, `${place + 1}. ${capital(option.words)}`);
  if (isNothing(option)) return [name, "–", percent(option.p_on_time), "–", "–", "–", "–", percent(option.best_share), ""];
  const [low, high] = option.days_gained_interval;
  const [least, greatest] = option.cost_interval;
  return [name, `${number(option.days_gained, 2)} d (${number(low, 2)} to ${number(high, 2)})`, `${percent(option.p_on_time)} (${points(option.p_on_time_change)})`,
    least === greatest ? money(option.cost, record.currency) : `${money(option.cost, record.currency)} (${money(least)} to ${money(greatest)})`,
    option.cost_per_day_gained === null ? "–" : money(option.cost_per_day_gained, record.currency), `${Math.round(option.lead_days)} d`, money(option.saving, record.currency), percent(option.best_share),
    option.flags.length ? el("span", { class: "reason" }, option.flags.join("; ")) : ""];
}

function points(share) {
  const by = Math.round(share * 100);
  return by === 0 ? "±0" : `${by < 0 ? "−" : "+"}${Math.abs(by)}`;
}

function excluded(record) {
  if (!record.excluded.length) return null;
  return el("details", { open: record.excluded.length <= 3 }, el("summary", {}, `Not possible: ${record.excluded.length}`),
    el("ul", { class: "says" }, record.excluded.map((one) => el("li", {}, el("strong", {}, capital(one.words)), `: ${one.reason}`))));
}

function how({ effect }) {
  const { record } = effect.data;
  const budget = record.budget === null ? "no budget was set" : `a budget of ${money(record.budget, record.currency)}`;
  return el("p", { class: "muted" }, `Rank: the first stays first in ${percent(record.top_stays)} of other draws that could have been made. Weighed: ${record.search}; ${budget}. "Saves" counts money and the price of days; "Best in" is the share of futures in which nothing is cheaper. `
    + "Two with the same numbers differ in what the deadline is, not in when the study ends.");
}

function became({ audits }) {
  return audits.length ? [el("h3", {}, "What became of it"), el("ul", { class: "says" }, audits.map((audit) => el("li", {}, auditWords(audit), " ", from(audit))))] : [];
}

function earlier(cases) {
  if (!cases.length) return null;
  return el("details", { id: "earlier", open: cases.length <= 4 }, el("summary", {}, `Earlier recommendations: ${cases.length}`),
    scrolling("Earlier recommendations", tableOf("The newest first", ["When", "Advised", "Decided", "What became of it", "From"],
      cases.map(({ effect, decisions, audits }) => [day(effect.event_time), el("span", { class: "reason" }, effect.data.summary[0]),
        decisions.length ? decisions.map((one) => { const { how: judged, word, text } = decisionWords(one); return el("p", { class: "reason" }, sign(judged, word), " ", text); }) : el("span", { class: "muted" }, "nobody decided"),
        audits.length ? el("span", { class: "reason" }, auditWords(audits[0])) : el("span", { class: "muted" }, "not checked yet"), from(effect)]))));
}

/** Say a decision: {how, word, text}. */
function decisionWords(effect) {
  const { record } = effect.data;
  const over = record.expires && Date.parse(record.expires) < Date.parse(shown.estimate.data.as_of);
  const word = { taken: "Taken", declined: "Declined", overridden: "Overridden" }[record.decision] ?? record.decision;
  const until = record.expires ? `, ${over ? "expired" : "until"} ${day(record.expires)}` : "";
  return { how: over ? "watch" : record.decision === "taken" ? "good" : "none", word, text: `by ${record.by} on ${day(effect.event_time)}${record.option ? `: ${record.option}` : ""}${until}. ${record.reason}` };
}

function auditWords(effect) {
  const { record } = effect.data;
  if (effect.data.summary.length) return effect.data.summary.join(" ");
  return `After ${Math.round(record.days_since)} d: ${record.subjects} subjects where ${Math.round(record.subjects_median)} were promised (90 %: ${record.subjects_interval.map(Math.round).join(" to ")}), ${record.subjects_within ? "within" : "outside"} the interval.`;
}

function from(effect) {
  return el("button", { type: "button", class: "small", onclick: () => lineage(effect) }, "Where from");
}

function lineage(effect) {
  const { data } = effect;
  showLineage({ recommend: "A recommendation", decide: "A decision", audit: "A later check" }[data.action], [
    ["Says", data.summary.join(" ")], ["Rests on the job", data.correction], ["Hash of the whole record (SHA-256)", data.hash], ["Facts", data.record.facts_hash], ["Beliefs", data.record.posterior_hash],
    ["Seed", data.record.seed], ["To repeat it", `twinstream explain ${effect.id}`], ...effectRows(effect)], effect.id);
}

function redraw() {
  showActions(shown.estimate, shown.corrections, shown.on);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
