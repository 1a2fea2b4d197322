/** The head of a network's page, and who is where: patients by step, in the order of the route, and who waits longest. */

import { el, find, put } from "./dom.js";
import { bar, sign } from "./signs.js";
import { many, percent } from "./study_words.js";
import { number } from "./states.js";
import { riskOf } from "./network_late.js";
import { empty, figure, lineage, section } from "./supply_page.js";
import { RISK_ON, hours, moment, plain, supplyLink } from "./supply_words.js";

const MOST_NAMED = 3; // of a step, those that wait longest

/** Show the figures. */
export function showFigures(loaded) {
  const { twin, data, forecast, standing, patients, boxes, key } = loaded;
  if (!data) return put(find("figures"), empty("Nothing is known of this network", "Send ", el("code", {}, "supply.network_described"), " with its document (docs/supply_network.md) to ", el("code", {}, "POST /api/v1/events"), ". Patients that were told of wait for it."));
  const where = { onclick: () => lineage("A network", twin.estimate) };
  const lost = data.capacity.filter((one) => one.units < one.usual);
  const late = patients.filter((item) => (item.ahead?.p_late ?? 0) >= RISK_ON).length;
  const stopped = patients.filter((item) => item.values?.stopped).length;
  const warm = boxes.filter((item) => item.alert && item.ahead?.p_warm >= RISK_ON).length;
  const neck = forecast?.data.bottleneck;
  put(find("figures"),
    figure("Patients on the way", data.patients.toLocaleString("en"), "", `${data.left.toLocaleString("en")} came to the end${stopped ? "" : "; none is stopped"}`, where),
    stopped ? figure("Stopped", String(stopped), "", sign("bad", "identity or custody"), { onclick: () => find("late").scrollIntoView(), name: "stopped" }) : null,
    figure("Slots at risk", String(late), `of ${patients.filter((item) => item.ahead?.slot).length}`, late ? sign("watch", "20 % or more to be late") : sign("good", "none of those known"), { onclick: () => find("late").scrollIntoView(), ahead: true, name: "late" }),
    figure("Capacity lost", lost.length ? many(lost.reduce((sum, one) => sum + one.usual - one.units, 0), "unit") : "none", "", lost.length ? sign("bad", lost.map((one) => `${one.units} of ${one.usual} ${one.resource}`).join(", ")) : sign("good", "all there"), { onclick: () => find("capacity").scrollIntoView(), name: "lost" }),
    figure("Bottleneck ahead", neck?.resource ?? "–", "", neck?.resource ? `the worst in ${percent(neck.share_of_replications)} of ${neck.replications} futures` : forecast ? "none stands out" : "no future was simulated yet", { onclick: forecast ? () => lineage("The simulated future", forecast) : null, ahead: true, name: "bottleneck" }),
    ...kpis(data, where),
    figure("Boxes at risk", String(warm), "", warm ? sign("bad", "warm before they are opened") : sign("good", "none"), { onclick: () => find("boxes").scrollIntoView() }),
    figure("Open alerts", standing.total.toLocaleString("en"), "", standing.total ? `${standing.counts.critical} critical, ${standing.counts.high} high` : "all quiet", { onclick: () => find("standing").querySelector("a")?.focus(), name: key }));
}

/** Figures of those who left within a year, each with its 95 % interval and of how many it is. */
function kpis({ kpis: { vein_to_vein_days: days, out_of_specification: out } }, where) {
  return [
    figure("Vein to vein", days ? number(days.value) : "–", days ? "days" : "", days ? `median of ${many(days.count, "patient")} within a year; 95 %: ${number(days.low)} to ${number(days.high)}` : "nobody was infused within a year", { ...where, name: "vein-to-vein" }),
    figure("Out of specification", out ? percent(out.value) : "–", "", out ? `of ${many(out.count, "lot")} within a year; 95 %: ${percent(out.low)} to ${percent(out.high)}` : "no lot was judged within a year", { ...where, name: "out-of-specification" })];
}

/** Show patients by step. */
export function showFlow(loaded) {
  const { data, spec } = loaded;
  if (!data) return section("flow", false);
  const steps = ordered(data.by_step, spec);
  const most = Math.max(1, ...steps.map(([, count]) => count));
  section("flow", true, steps.length ? el("ol", { class: "flow", "aria-label": "Patients by step" }, steps.map(([step, count]) => el("li", { class: count ? null : "is-none", "data-step": step },
    el("span", {}, plain(step)), el("span", { class: "big" }, count.toLocaleString("en")), bar(count / most, false), longest(step, loaded)))) : empty("Nobody is on the way", "A patient's twin says where it is when its order names this network; a planner's system may send ", el("code", {}, "supply.moved"), "."));
}

/** Put steps in the order of the longest route; those that no route knows stand at the end. */
function ordered(counts, spec) {
  const route = [...(spec?.routes ?? [])].sort((a, b) => b.steps.length - a.steps.length)[0];
  const known = route ? route.steps.map((step) => step.name) : [];
  return [...known.map((step) => [step, counts[step] ?? 0]), ...Object.entries(counts).filter(([step]) => !known.includes(step))];
}

function longest(step, { data, patients }) {
  const there = data.longest.filter((one) => one.step === step).slice(0, MOST_NAMED);
  return there.map((one) => {
    const item = patients.find((two) => two.key === `patient:${one.patient}`);
    const risk = item ? riskOf(item, null) : 0;
    return el("span", { class: "longest", title: `since ${moment(one.since)}` }, item ? el("a", { href: supplyLink(item.key) }, one.patient) : one.patient, el("span", {}, hours(one.hours)), risk >= RISK_ON ? sign(risk >= 0.5 ? "bad" : "watch", percent(risk)) : null);
  });
}
