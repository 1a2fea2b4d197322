/** One box on its way: its payload's temperature, the hold time that is left, and whether it arrives in time. */

import { el, find, put } from "./dom.js";
import { boxAhead, boxCourse, boxExcursions, boxFigures, loadBox } from "./supply_box.js";
import { loadFacts, showFacts } from "./supply_facts.js";
import { empty, runPage, section } from "./supply_page.js";
import { supplyLink, zoned } from "./supply_words.js";

async function load(key, moment, twin) {
  const [box, facts] = await Promise.all([loadBox(key, moment, twin), loadFacts(key, moment, twin)]);
  const data = twin.estimate?.data;
  return { box, facts, ident: data ? [["Patient", el("a", { href: supplyLink(`patient:${data.patient}`) }, data.patient)], ["Units", data.units.join(", ")], ["Packed", zoned(data.packed)], ["Opened", data.opened ? zoned(data.opened) : "not yet"], ["Trips learned from", data.trips_learned]] : [] };
}

function showState({ data, box }) {
  put(find("figures"), data ? boxFigures(box) : empty("Nothing is known of this box", "Send ", el("code", {}, "supply.shipper_packed"), " with its patient, limit and hold time to ", el("code", {}, "POST /api/v1/events"), "; readings may come before it and wait for it."));
}

function factsAgain(loaded) {
  showFacts(loaded, () => factsAgain(loaded));
}

runPage({ kind: "shipper", load, parts: {
  figures: showState, course: ({ data, box }) => section("course", Boolean(data), data && boxCourse(box)), ahead: ({ data, box }) => section("ahead", Boolean(data), data && boxAhead(box)),
  excursions: ({ data, box }) => section("excursions", Boolean(data), data && boxExcursions(box)), facts: factsAgain,
} });
