/** The answer: each scenario against how the network stands, future by future on the same chance, with 95 % intervals. */

import { el, find, put } from "./dom.js";
import { jobLink } from "./job_words.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { percent, signed } from "./study_words.js";
import { hours, interval, shares, supplyLink, zoned } from "./supply_words.js";

const MOST_SLOTS = 20;

/** Show it. `base` has the network as it was asked about. */
export function showAnswer({ job, answer }, base) {
  find("answer").hidden = false;
  const known = new Map((base?.network.resources ?? []).map((one) => [one.name, one.units]));
  put(find("answer-body"),
    el("p", {}, `Of ${answer.draws.toLocaleString("en")} futures of ${number(answer.horizon_days)} days, each drawn once and run as it stands and with each scenario. Asked by ${job.asked_by} ${zoned(job.asked_at)}: ${job.reasons.join("; ")}. `, el("a", { href: jobLink(job.id) }, "The job")),
    overview(answer), el("h3", {}, "As it stands"), standing(answer, known), answer.scenarios.map((one) => scenario(one, answer)));
}

/** One line a scenario: what a person looks for first. */
function overview(answer) {
  return scrolling("Scenarios against how it stands", tableOf("Against how it stands", ["Scenario", ["Slots lost", "n"], "Slowest for", ["Days more", "n"], ["Finished, worst class", "n"], "Queue grows most at", ["Waiting more", "n"]], answer.scenarios.map((one) => {
    const slow = most(one.classes ?? [], "days_change");
    const queue = most(one.resources ?? [], "waiting_change");
    const fewer = (one.classes ?? []).filter((two) => two.finished_change.mean !== null).sort((a, b) => a.finished_change.mean - b.finished_change.mean)[0];
    return [el("b", {}, one.name), one.slots_lost ? change(one.slots_lost, 1) : "no slot is booked", slow?.class ?? "–", slow ? change(slow.days_change, 1) : "–", fewer ? change(fewer.finished_change, -1) : "–", queue?.resource ?? "–", queue ? change(queue.waiting_change, 1) : "–"];
  })));
}

function most(rows, name) {
  return rows.filter((row) => row[name].mean !== null).sort((a, b) => b[name].mean - a[name].mean)[0] ?? null;
}

/** Write a difference with its interval; `worse` is the direction, 1 or -1, that is worse, 0 where neither is. One that chance explains is said so. */
function change(one, worse, write = (value) => signed(value, 2)) {
  if (!one || one.mean === null) return "–";
  const text = one.low === null ? write(one.mean) : `${write(one.mean)} (${write(one.low)} to ${write(one.high)})`;
  if (one.low === null || (one.low <= 0 && one.high >= 0)) return el("span", { class: "no-difference" }, one.mean === 0 ? "no difference" : `${text}, may be chance`);
  return el("span", { class: one.mean * worse > 0 ? "worse" : null }, text);
}

function standing(answer, known) {
  const neck = answer.bottleneck;
  return [el("p", {}, neck.resource ? ["The bottleneck is ", el("b", {}, neck.resource), ` in ${percent(neck.share_of_replications)} of ${neck.replications} futures.`] : "No bottleneck stands out."),
    scrolling("Resources as it stands", tableOf("", ["Resource", ["Usual units", "n"], ["Utilisation", "n"], ["Queue", "n"], ["Wait", "n"], ["Sole bottleneck", "n"], ["Shifting", "n"]], answer.resources.map((one) => {
      const part = neck.resources.find((two) => two.resource === one.resource);
      return [one.resource, String(known.get(one.resource) ?? one.units), shares(one.utilisation), interval(one.waiting), interval(one.wait_days, (value) => hours(value * 24)), shares(part?.sole), shares(part?.shifting)];
    })))];
}

function scenario(one, answer) {
  if (!one.classes) return el("section", { class: "scenario", "data-scenario": one.name }, el("h3", {}, one.name), el("p", { class: "muted" }, "Its details did not fit on the message; the job's whole answer has them."));
  const stands = new Map(answer.classes.map((two) => [two.class, two]));
  const busy = new Map(answer.resources.map((two) => [two.resource, two]));
  const points = (value) => signed(100 * value, 2); // percentage points
  const moved = (one.slots ?? []).filter((two) => two.p_slot_change.mean !== 0).slice(0, MOST_SLOTS);
  return el("section", { class: "scenario", "data-scenario": one.name, "aria-label": `Scenario ${one.name}` }, el("h3", {}, one.name),
    scrolling(`Classes, ${one.name}`, tableOf("Patients", ["Class", ["Days as it stands", "n"], ["Change", "n"], ["Finished", "n"], ["Change", "n"], ["Left on the way, change", "n"]], one.classes.map((two) => [
      two.class, interval(stands.get(two.class)?.days, (value) => number(value, 3)), change(two.days_change, 1), interval(stands.get(two.class)?.finished), change(two.finished_change, -1), change(two.left_change, 1)]))),
    scrolling(`Resources, ${one.name}`, tableOf("Resources", ["Resource", ["Utilisation as it stands", "n"], ["Change [% points]", "n"], ["Queue", "n"], ["Change", "n"]], one.resources.map((two) => [
      two.resource, shares(busy.get(two.resource)?.utilisation), change(two.utilisation_change, 0, points), interval(busy.get(two.resource)?.waiting), change(two.waiting_change, 1)]))),
    moved.length ? scrolling(`Slots, ${one.name}`, tableOf("Slots, those that lose most first", ["Patient", ["P(kept), change [% points]", "n"], "Verdict"], moved.map((two) => [el("a", { href: supplyLink(`patient:${two.patient}`) }, two.patient), change(two.p_slot_change, -1, points), two.p_slot_change.high !== null && two.p_slot_change.high < 0 ? sign("watch", "less likely kept") : ""]))) : el("p", { class: "muted" }, one.slots_lost ? "No slot is moved by it." : "No slot is booked in this network."));
}
