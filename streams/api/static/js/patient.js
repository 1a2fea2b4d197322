/** One patient's cells: are they the right ones, who has them, when they will be given, what threatens them. */

import { get } from "./net.js";
import { boxCard, loadBox } from "./supply_box.js";
import { loadFacts, showFacts } from "./supply_facts.js";
import { FAMILY, runPage, section } from "./supply_page.js";
import { nameOf } from "./supply_words.js";
import { showCustody } from "./patient_custody.js";
import { showInfusion, showLegs } from "./patient_ahead.js";
import { showFigures, showStop } from "./patient_head.js";
import { showExposures, showQuality } from "./patient_quality.js";

const MOST_BOXES = 4;
const MOST_TWINS = 1000;

async function load(key, moment, twin) {
  const [forecasts, facts] = await Promise.all([get("forecasts", { kind: FAMILY, key, ...moment }), loadFacts(key, moment, twin)]);
  const boxes = await Promise.all((await boxKeys(key, facts)).slice(0, MOST_BOXES).map((name) => loadBox(name, moment)));
  const data = twin.estimate?.data;
  const ordered = facts.filter((fact) => fact.type === "supply.therapy_ordered").at(-1)?.data;
  const ident = data ? [["Product", data.product], ["Order", ordered?.order], ["Site", data.site], ["Priority", data.priority], ["Workflow", data.workflow], ["Facts", data.facts.toLocaleString("en")]] : [];
  return { forecast: forecasts.items[0] ?? null, facts, boxes: boxes.filter(Boolean), ident, ordered };
}

/** Find the boxes that the patient's facts name, and those that say they hold its cells; the newest first. */
async function boxKeys(key, facts) {
  const named = facts.map((fact) => fact.data.shipper).filter(Boolean).reverse().map((name) => `shipper:${name}`);
  const found = await get("twins", { kind: FAMILY, q: "shipper:", limit: MOST_TWINS });
  const holding = found.items.filter((item) => item.values?.patient === nameOf(key)).map((item) => item.key);
  return [...new Set([...named, ...holding])];
}

function showBoxes({ boxes }) {
  section("boxes", boxes.length > 0, boxes.map(boxCard));
}

function factsAgain(loaded) {
  showFacts(loaded, () => factsAgain(loaded));
}

runPage({ kind: "patient", load, parts: { stop: showStop, figures: showFigures, infusion: showInfusion, legs: showLegs, custody: showCustody, quality: showQuality, exposures: showExposures, boxes: showBoxes, facts: factsAgain } });
