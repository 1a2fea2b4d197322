/** What is late: slots by the risk to miss them, boxes that may be warm, rooms that are held. */

import { el, setText, find } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { badge } from "./states.js";
import { percent } from "./study_words.js";
import { empty, section } from "./supply_page.js";
import { hours, lateness, moment, nameOf, plain, supplyLink } from "./supply_words.js";

const SHOWN = 50;
const state = { all: false };

/** Give the greater of two risks to miss a slot: as the patient's twin sees it, and as the network's simulated future does. */
export function riskOf(item, simulated) {
  return Math.max(item.values?.stopped ? 1 : 0, item.ahead?.p_late ?? 0, simulated && simulated.p_slot !== null ? 1 - simulated.p_slot : 0);
}

/** Show slots, the greatest risk first. */
export function showLate(loaded) {
  const { data, patients, forecast, more } = loaded;
  if (!data) return section("late", false);
  const rows = rowsOf(patients, data, forecast);
  const shown = state.all ? rows : rows.slice(0, SHOWN);
  setText(find("late-title"), `What is late: ${rows.filter((row) => row.risk >= 0.2).length} of ${rows.length} at risk`);
  section("late", true, rows.length ? scrolling("Slots by risk", tableOf(`The greatest risk first${more ? "; of more patients than are shown here, the most urgent" : ""}. P(kept) is of ${forecast ? `the future simulated ${moment(forecast.event_time)}` : "the simulated future, which was not asked yet"}, with its 95 % interval`,
    ["Patient", "Step", ["P(late)", "n"], ["P(kept), simulated", "n"], "Slot", "Expected", "90 %", ["In this step", "n"], ["Priority", "n"], "State"], shown.map(cells))) : empty("No patient is known", "Orders and scans of patients appear here."),
  shown.length < rows.length ? el("button", { type: "button", onclick: () => { state.all = true; showLate(loaded); } }, `Show all ${rows.length}`) : null);
}

function rowsOf(patients, data, forecast) {
  const simulated = new Map((forecast?.data.patients ?? []).map((one) => [one.patient, one]));
  const waits = new Map(data.longest.map((one) => [one.patient, one]));
  const twins = new Map(patients.map((item) => [nameOf(item.key), item]));
  return [...new Set([...twins.keys(), ...waits.keys(), ...simulated.keys()])].map((name) => {
    const item = twins.get(name) ?? null;
    return { name, item, sim: simulated.get(name) ?? null, wait: waits.get(name) ?? null, risk: riskOf(item ?? {}, simulated.get(name)) };
  }).sort((a, b) => b.risk - a.risk || (b.wait?.hours ?? 0) - (a.wait?.hours ?? 0));
}

function cells({ name, item, sim, wait }) {
  const ahead = item?.ahead;
  return [
    item ? el("a", { href: supplyLink(item.key) }, name) : name, plain(wait?.step ?? item?.values?.step ?? "–"), item?.values?.stopped ? sign("bad", "STOPPED") : lateness(ahead?.p_late ?? null, percent),
    sim && sim.p_slot !== null ? `${percent(sim.p_slot)} (${percent(sim.p_slot_interval[0])} to ${percent(sim.p_slot_interval[1])})` : "–", moment(ahead?.slot ?? wait?.slot), moment(ahead?.infusion?.[2]).slice(0, 10),
    ahead?.infusion ? `${moment(ahead.infusion[0]).slice(0, 10)} to ${moment(ahead.infusion[4]).slice(0, 10)}` : "–", wait ? hours(wait.hours) : "–", String(item?.values?.priority ?? wait?.priority ?? "–"), item ? badge(item.state) : sign("none", "not heard of itself")];
}

/** Show boxes that are on their way, the warmest first. */
export function showBoxes({ data, boxes }) {
  if (!data) return section("boxes", false);
  const way = boxes.filter((item) => item.values && !item.values.opened).sort((a, b) => (b.ahead?.p_warm ?? 0) - (a.ahead?.p_warm ?? 0));
  const risky = way.filter((item) => item.alert || (item.ahead?.p_warm ?? 0) >= 0.05);
  section("boxes", true, risky.length ? scrolling("Boxes by risk", tableOf(`${risky.length} of ${way.length} on their way`, ["Box", "Of", ["P(warm)", "n"], ["Hold time left", "n"], "State"], risky.slice(0, SHOWN).map((item) => [
    el("a", { href: supplyLink(item.key) }, nameOf(item.key)), el("a", { href: supplyLink(`patient:${item.values.patient}`) }, item.values.patient), item.ahead?.p_warm === undefined ? "–" : percent(item.ahead.p_warm), left(item.ahead?.hours_to_limit), badge(item.state)]))) : el("p", { class: "muted" }, way.length ? `None of ${way.length} on their way.` : "No box is on its way."));
}

function left(quantiles) {
  const middle = quantiles?.[2];
  return middle === undefined || middle === null ? "–" : middle === 0 ? "used up" : hours(middle);
}

/** Show rooms, those that are held first. */
export function showRooms({ data, rooms }) {
  if (!data) return section("rooms", false);
  const held = (item) => item.values?.suite === "held" || Boolean(item.alert);
  const sorted = [...rooms].sort((a, b) => held(b) - held(a));
  section("rooms", true, rooms.length ? scrolling("Rooms, those held first", tableOf(`${rooms.filter((item) => item.values?.suite === "held").length} of ${rooms.length} held`, ["Room", "Grade", "Is", "State"], sorted.slice(0, SHOWN).map((item) => [
    el("a", { href: supplyLink(item.key) }, nameOf(item.key)), item.values?.grade ?? "–", item.values?.suite === "held" ? sign("bad", "Held") : plain(item.values?.suite ?? "not known"), badge(item.state)]))) : el("p", { class: "muted" }, "No room was heard of."));
}
