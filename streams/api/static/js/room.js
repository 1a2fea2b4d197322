/** One cleanroom: its state, air, pressures, people, plates that were read, and whom they exposed. */

import { el, find, put, setText } from "./dom.js";
import { get } from "./net.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { many, percent } from "./study_words.js";
import { courseChart } from "./supply_charts.js";
import { loadFacts, showFacts } from "./supply_facts.js";
import { FAMILY, empty, figure, lineage, runPage, section } from "./supply_page.js";
import { hours, moment, plain, supplyLink, toneOf, zoned } from "./supply_words.js";

const POINTS = 600;

async function load(key, asOf, twin) {
  const [history, facts] = await Promise.all([get("history", { kind: FAMILY, key, ...asOf, points: POINTS, part: "estimates" }), loadFacts(key, asOf, twin)]);
  const data = twin.estimate?.data;
  return { past: history.estimates ?? null, facts, ident: data ? [["Grade", data.grade], ["Occupied", hours(data.occupied_hours)]] : [] };
}

function showState({ data, twin }) {
  if (!data) return put(find("figures"), empty("Nothing is known of this room", "Send ", el("code", {}, "supply.room_described"), " with grade, volume and air changes to ", el("code", {}, "POST /api/v1/events"), "; counts and plates may come before it and wait for it."));
  const where = { onclick: () => lineage("A room", twin.estimate) };
  const { particles } = data;
  const tone = data.holds.length ? "bad" : "none";
  put(find("figures"),
    figure("State", plain(data.suite), "", data.holds.length ? sign(tone, `held: ${data.holds.join("; ")}`) : "not held", { ...where, name: "state" }),
    figure("Particles ≥ 0.5 µm", number(particles.half_um.mean), "/m³", `90 %: ${number(particles.half_um.low)} to ${number(particles.half_um.high)}`, where),
    figure("Particles ≥ 5 µm", number(particles.five_um.mean), "/m³", `90 %: ${number(particles.five_um.low)} to ${number(particles.five_um.high)}`, where),
    figure("Above the limit", percent(particles.p_over_limit), "probability", sign(toneOf(particles.level), `newest count ${particles.level === "within" ? "within limits" : `above ${particles.level} level`}`), where),
    figure("People", String(data.people), "", data.open_units.length ? sign("watch", `${many(data.open_units.length, "unit")} open`) : "no unit is open", where));
}

function showAir({ data, past }) {
  const air = past?.quantities?.["particles.half_um"];
  section("air", Boolean(data && air), air && courseChart({ t: past.t, ...air, limit: null, unit: "/m³", label: `Particles of at least 0.5 µm, now ${number(data?.particles.half_um.mean)} a cubic metre` }),
    data && el("p", { class: "readout" }, `Of at least 0.5 µm, with the 90 % interval. ${data.recoveries ? `Recovered ${data.recoveries} times, in ${number(data.mean_recovery_minutes, 2)} min on average.` : "No recovery was seen yet."}`));
}

function showUnits({ data }) {
  section("units", Boolean(data), data && (data.open_units.length ? scrolling("Units that are open", tableOf("", ["Unit", "Patient", "Since"], data.open_units.map((one) => [one.unit, one.patient ? el("a", { href: supplyLink(`patient:${one.patient}`) }, one.patient) : "–", zoned(one.since)]))) : el("p", { class: "muted" }, "None.")));
}

function showPressures({ data }) {
  section("pressures", Boolean(data), data && (data.pressures.length ? scrolling("Pressures by neighbour", tableOf("", ["Against", ["Difference", "n"], "State"], data.pressures.map((one) => [one.against, one.pascal === null ? "–" : `${number(one.pascal)} Pa`, sign(toneOf(one.state), plain(one.state))]))) : el("p", { class: "muted" }, "No cascade is described, or none was read.")));
}

function showPlates({ data }) {
  if (data) setText(find("plates-title"), `Plates: ${data.plates.filter((one) => one.level !== "within").length} of ${data.plates.length} above a level`);
  section("plates", Boolean(data), data && (data.plates.length ? scrolling("Plates that were read", tableOf("The newest first", ["Plate", "Kind", ["CFU", "n"], ["Action from", "n"], "Verdict", "Set out", "Until", "Read", "Units exposed"], [...data.plates].reverse().map((one) => [
    one.plate, one.kind, String(one.cfu), one.action === null ? "–" : number(one.action, 2), sign(toneOf(one.level), one.level === "within" ? "within" : `${one.level} level`), moment(one.from), moment(one.to), moment(one.read), one.exposed.length ? sign("bad", one.exposed.join(", ")) : "none"]))) : empty("No plate was read yet", "Plates appear here when they are read, days after they were set out.")));
}

function showViolations({ data }) {
  const found = data?.violations ?? [];
  section("violations", Boolean(data), found.length ? scrolling("Rules that were broken", tableOf("The newest first", ["When", "Rule", "Who or what", "In detail"], [...found].reverse().map((one) => [moment(one.at), sign("bad", plain(one.kind)), one.subjects.join(", "), el("span", { class: "reason" }, one.detail)]))) : el("p", { class: "muted" }, "None was broken."));
}

function factsAgain(loaded) {
  showFacts(loaded, () => factsAgain(loaded));
}

runPage({ kind: "room", load, parts: { figures: showState, air: showAir, units: showUnits, pressures: showPressures, plates: showPlates, violations: showViolations, facts: factsAgain } });
