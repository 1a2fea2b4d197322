/** The head of a patient's page: a stop that nobody can miss, and the figures. */

import { el, find, put } from "./dom.js";
import { sign } from "./signs.js";
import { STATES, symbol } from "./states.js";
import { many, percent } from "./study_words.js";
import { empty, figure, lineage } from "./supply_page.js";
import { lateness, moment, plain, zoned } from "./supply_words.js";

/** Show stops, with what was expected, what was read and what to do; nothing where none stands. */
export function showStop({ data, key }) {
  const stops = data?.violations.filter((one) => !one.provisional) ?? [];
  find("stop").hidden = !stops.length;
  put(find("stop"), stops.length ? [
    el("h2", { id: "stop-title" }, symbol("critical", 30), ` STOP: these cells must not move on`),
    stops.map((one) => el("div", { class: "stop-one" },
      el("p", { class: "stop-what" }, `${plain(one.code)}, since ${zoned(one.since)}`),
      el("dl", {}, el("div", {}, el("dt", {}, "Expected"), el("dd", {}, one.expected)), el("div", {}, el("dt", {}, "Read"), el("dd", { class: "received" }, one.received)), el("div", {}, el("dt", {}, "What to do"), el("dd", {}, one.advice))),
      el("p", { class: "small-print" }, `Rests on ${one.facts.map((name) => name.join(" ")).join(", ")}. A person ends it with `, el("code", {}, "supply.stop_decided"), `, stop `, el("code", {}, one.key), ", said to ", el("code", {}, key), ".")))] : []);
}

/** Show the figures. */
export function showFigures({ twin, data, forecast, alerts }) {
  if (!data) return put(find("figures"), empty("Nothing is known of this patient's cells", "Send ", el("code", {}, "supply.therapy_ordered"), " with product, order, slot and legs to ", el("code", {}, "POST /api/v1/events"), "; scans (EPCIS 2.0) may come before it and wait for it."));
  const { estimate } = twin;
  const ahead = forecast?.data;
  const open = alerts.filter((alert) => alert.open).sort((a, b) => STATES[b.last.data.priority].rank - STATES[a.last.data.priority].rank);
  const where = () => lineage("Where the cells are", estimate);
  put(find("figures"),
    figure("Identity and custody", ...identity(data), { onclick: () => find("custody").scrollIntoView(), name: "identity" }),
    figure("Step", data.step ? plain(data.step) : "not begun", "", [data.place || "place not said", data.last_scan ? `; last scan ${moment(data.last_scan)}` : ""], { onclick: where, name: "step" }),
    figure("Who has the cells", data.holder || "nobody signed yet", "", data.handing_over ? sign("watch", "released, not received yet") : data.holder ? "signed for them last" : "", { onclick: where }),
    ...expected(ahead, forecast),
    figure("Lot", data.lot, "", testWords(data.tests), { onclick: where, name: "lot" }),
    figure("Standing alerts", String(open.length), "", open.length ? `${STATES[open[0].last.data.priority].word}: ${open[0].last.data.tag}` : "all quiet", { onclick: open.length ? () => find("alerts").querySelector("button")?.focus() : null }));
}

function identity(data) {
  if (data.ended) return ["Ended", "", sign("bad", `${data.ended.by}, ${moment(data.ended.at)}: ${data.ended.reason}`)];
  const stops = data.violations.filter((one) => !one.provisional).length;
  const gaps = data.violations.length - stops;
  if (stops) return ["STOP", "", sign("bad", `${many(stops, "violation")}${gaps ? `, ${gaps} provisional` : ""}`)];
  if (gaps) return ["Open", "", sign("watch", `${many(gaps, "gap")} that a late fact may close`)];
  return [data.custody_lines ? "In order" : "–", "", data.custody_lines ? sign("good", `${many(data.custody_lines, "scan")} judged`) : "no scan yet"];
}

function expected(ahead, forecast) {
  if (!ahead) return [figure("Infusion", "–", "", "No forecast: no leg is planned, or nobody waits any more")];
  const from = { onclick: () => lineage("Expected infusion", forecast), ahead: true };
  const risk = ahead.p_late === null ? null : figure(`Late, slot ${moment(ahead.slot)}`, percent(ahead.p_late), "probability", lateness(ahead.p_late, (p) => (p >= 0.5 ? "more likely late than not" : p >= 0.2 ? "at risk" : "on course")), { ...from, name: "late" });
  return [
    figure("Infusion expected", moment(ahead.infusion[2]).slice(0, 10), moment(ahead.infusion[2]).slice(11), `90 %: ${moment(ahead.infusion[0]).slice(0, 10)} to ${moment(ahead.infusion[4]).slice(0, 10)}`, { ...from, name: "infusion" }),
    risk ?? figure("Slot", "none", "", "book one: supply.slot_booked")];
}

function testWords(tests) {
  const names = Object.entries(tests);
  if (!names.length) return "no test result yet";
  const bad = names.filter(([, result]) => result !== "passed");
  return bad.length ? sign("bad", bad.map(([name, result]) => `${name} ${result}`).join(", ")) : sign("good", `${many(names.length, "test")} passed`);
}
