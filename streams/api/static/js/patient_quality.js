/** Tests, disposition, treatment, and rooms in which a unit was while something grew there. */

import { el } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { factLineage, section } from "./supply_page.js";
import { moment, plain, supplyLink, toneOf } from "./supply_words.js";

const TYPES = ["supply.tested", "supply.dispositioned", "supply.treated", "supply.slot_booked", "supply.stop_decided"];

/** Show what quality and the clinic said, the newest first. */
export function showQuality({ data, facts }) {
  if (!data) return section("quality", false);
  const said = facts.filter((fact) => TYPES.includes(fact.type)).reverse();
  section("quality", said.length > 0 || data.lot !== "not released", el("p", {}, "The lot: ", sign(toneOf(data.lot), data.lot)),
    said.length ? scrolling("Tests, dispositions, treatment", tableOf("", ["When", "What", "Result", "By or why", "Fact"], said.map((fact) => [
      el("time", { datetime: fact.event_time }, moment(fact.event_time)), ...WORDS[fact.type](fact.data), el("button", { type: "button", class: "small", onclick: () => factLineage(fact) }, fact.id)]))) : null);
}

const WORDS = {
  "supply.tested": (one) => [`Test: ${one.test}`, sign(toneOf(one.result), one.value === null || one.value === undefined ? one.result : `${one.result}, ${number(one.value)} ${one.unit}`), (one.units ?? []).join(", ")],
  "supply.dispositioned": (one) => ["Disposition", sign(toneOf(one.disposition), plain(one.disposition)), [one.by, one.reason].filter(Boolean).join(": ")],
  "supply.treated": (one) => ["Treatment", plain(one.what), [one.place, one.reason].filter(Boolean).join(": ")],
  "supply.slot_booked": (one) => [`Slot for ${one.what}`, one.at ? moment(one.at) : "given up", [one.by, one.place, one.reason].filter(Boolean).join(", ")],
  "supply.stop_decided": (one) => ["Decision on a stop", plain(one.decision), `${one.by}: ${one.reason}`],
};

/** Show the rooms. */
export function showExposures({ data, facts }) {
  const said = facts.filter((fact) => fact.type === "supply.exposed").reverse();
  section("exposures", said.length > 0, el("p", {}, data?.exposures ? sign("bad", "Hold these units until quality decides") : sign("good", "Decided by quality, or taken back by the room")),
    scrolling("Exposures", tableOf("", ["Room", "Plate", ["Grew", "n"], "Units", "From", "Until", "Fact"], said.map((fact) => [
      el("a", { href: supplyLink(`room:${fact.data.room}`) }, fact.data.room), fact.data.plate, `${number(fact.data.cfu, 2)} CFU of at most ${number(fact.data.limit, 2)}${fact.data.organism ? `, ${fact.data.organism}` : ""}`, fact.data.units.join(", "),
      moment(fact.data.first), moment(fact.data.after), el("button", { type: "button", class: "small", onclick: () => factLineage(fact) }, "Where from")]))));
}
