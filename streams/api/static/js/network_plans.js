/** Plans advised: what would move and why, how good the plan is, and a person's word on it. */

import { decide } from "./decide.js";
import { el } from "./dom.js";
import { say } from "./frame.js";
import { post } from "./net.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { casesOf } from "./study_actions.js";
import { many, percent } from "./study_words.js";
import { empty, lineage, section } from "./supply_page.js";
import { supplyLink, zoned } from "./supply_words.js";

const sent = new Set(); // plans that were decided on from here and whose decision is not told yet

/** Show the newest plan, and what became of earlier ones. */
export function showPlans(loaded) {
  if (!loaded.data) return section("plans", false);
  const cases = casesOf(loaded.corrections);
  section("plans", true, cases.length ? [plan(cases[0], loaded), cases.length > 1 ? el("details", {}, el("summary", {}, `Earlier plans: ${cases.length - 1}`), el("ul", { class: "says" }, cases.slice(1).map((one) => el("li", {}, `${zoned(one.effect.event_time)}: ${wordsOf(one.effect)[0]} `, verdict(one))))) : null]
    : empty("Nothing is advised", "A plan of suites and staff is made anew when capacity changes and the network was described with its planning."));
}

function wordsOf(effect) {
  const { summary, record } = effect.data;
  const moves = record.moves ?? [];
  return [moves.length ? `${many(moves.length, "patient")} move${moves.length === 1 ? "s" : ""}` : "nobody moves", ...summary.filter((text) => text !== "a new plan")];
}

function verdict({ decisions }) {
  const newest = decisions[0]?.data.record;
  if (!newest) return sign("none", "not decided");
  return [sign(newest.decision === "taken" ? "good" : "none", newest.decision === "taken" ? "Taken" : newest.decision === "declined" ? "Declined" : "Overridden"), ` by ${newest.by}: ${newest.reason}`];
}

function plan(one, loaded) {
  const { effect, decisions } = one;
  const { record } = effect.data;
  const moves = record.moves ?? [];
  const waits = sent.has(effect.data.correction) && !decisions.length;
  return el("div", { class: `advice is-${record.unplaced?.length ? "bad" : "watch"}` },
    el("p", { class: "advice-head" }, sign(record.unplaced?.length ? "bad" : "watch", `A new plan: ${wordsOf(effect)[0]}`), el("span", { class: "tag-advisory" }, "advisory: a person decides")),
    el("ul", {}, wordsOf(effect).slice(1).map((text) => el("li", {}, text)), el("li", {}, quality(record)), nervous(record), (record.unplaced ?? []).map((text) => el("li", {}, sign("bad", sentence(text)))), (record.broken ?? []).map((text) => el("li", {}, sign("watch", sentence(text))))),
    moves.length ? scrolling("Patients that move", tableOf("Slots first, the longest shift at the top", ["Patient", "What and why"], moves.map((move) => [el("a", { href: supplyLink(`patient:${move.patient}`) }, move.patient), el("span", { class: "reason" }, move.words)]))) : null,
    record.risks?.length ? el("details", {}, el("summary", {}, `Near a limit: ${record.risks.length}`), el("ul", { class: "says" }, record.risks.map((risk) => el("li", {}, risk.words)))) : null,
    decisions.length ? el("p", {}, verdict(one)) : null,
    waits ? el("p", { id: "decision-sent" }, sign("none", "Your decision is on the log"), " It shows here when the twin has read it.") : null,
    el("p", { class: "buttons-row" }, loaded.live ? [button("Take…", "taken", one, loaded), button("Decline…", "declined", one, loaded)] : el("span", { class: "muted" }, "Decisions are taken in the present: go back to live."),
      el("button", { type: "button", class: "small", onclick: () => lineage("A plan", effect) }, "Where from")));
}

function quality(record) {
  const whole = record.proved ? "proved to be the best there is" : `at most ${percent(record.gap)} worse than the best there can be`;
  return `${record.feasible ? "Keeps every rule" : "Breaks a rule"}; costs ${number(record.cost, 4)} points, bound ${number(record.bound, 4)}: ${whole}. Placed simply, by priority and time left, it would cost ${number(record.greedy_cost, 4)}.`;
}

function nervous({ nervousness }) {
  return nervousness ? el("li", {}, `${many(nervousness.slots_moved, "slot")} moved (${percent(nervousness.slots_moved_share)} of those that still could), by ${number(nervousness.slots_moved_hours_most, 3)} h at most.`) : null;
}

function sentence(text) {
  return typeof text === "string" ? text : text.words ?? `${text.patient} has no place: ${text.why}; ${text.relax}`;
}

function button(word, decision, { effect }, { key, reload }) {
  return el("button", { type: "button", "data-decision": decision, onclick: async () => {
    const { correction } = effect.data;
    const done = await decide({
      title: decision === "taken" ? "Take this plan?" : "Decline this plan?", action: decision === "taken" ? "Take the plan" : "Decline the plan",
      says: [`A new plan: ${wordsOf(effect).join(". ")}.`, "Your decision goes to the network's record; a plan that is taken is the one that later ones are compared with. Nothing is booked by it."],
      act: ({ by, reason }) => post(`twins/supply/${encodeURIComponent(key)}/decide`, { correction, decision, by, reason }),
    });
    if (!done) return;
    sent.add(correction);
    say("The decision is on the log");
    reload();
  } }, word);
}
