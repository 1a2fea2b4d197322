/** One network: who is where, what is late, what capacity there is, what its simulated future holds, what is advised. */

import { openAlert } from "./alerts.js";
import { el, find, put, setText } from "./dom.js";
import { get } from "./net.js";
import { showCapacity, showFuture, showLanes } from "./network_capacity.js";
import { showFigures, showFlow } from "./network_flow.js";
import { showBoxes, showLate, showRooms } from "./network_late.js";
import { showPlans } from "./network_plans.js";
import { FAMILY, runPage } from "./supply_page.js";
import { kindOf, nameOf } from "./supply_words.js";

const MOST_TWINS = 1000; // of each kind, the most urgent first
const MOST_ALERTS = 60;
const MOST_CORRECTIONS = 100;

async function load(key, moment, twin) {
  const who = { kind: FAMILY, key, ...moment };
  const all = (kind) => get("twins", { kind: FAMILY, q: `${kind}:`, limit: MOST_TWINS });
  const [forecasts, corrections, requests, patients, boxes, rooms, standing] = await Promise.all([
    get("forecasts", { ...who, lane: "advisory" }), get("corrections", { ...who, limit: MOST_CORRECTIONS }), get("requests", { ...who, limit: 10 }),
    all("patient"), all("shipper"), all("room"), get("alerts", { kind: FAMILY, limit: MOST_ALERTS })]);
  const spec = requests.items.find((one) => one.data.spec.kind === FAMILY)?.data.spec.inputs.network ?? null;
  const data = twin.estimate?.data;
  const own = new Set((data?.longest ?? []).map((one) => one.patient));
  const of = (found, kind) => found.items.filter((item) => kindOf(item.key) === kind);
  const mine = of(patients, "patient").filter((item) => item.values?.network === nameOf(key) || own.has(nameOf(item.key)));
  return {
    forecast: forecasts.items[0] ?? null, corrections: corrections.items, spec, patients: mine, boxes: of(boxes, "shipper"), rooms: of(rooms, "room"), standing,
    more: Boolean(patients.next || boxes.next || rooms.next),
    ident: data ? [["Title", data.title], ["On the way", data.patients.toLocaleString("en")], ["Facts", data.facts.toLocaleString("en")], ["Ask", el("a", { href: `/what-if?${new URLSearchParams({ key })}` }, "What if…")]] : [],
  };
}

/** Show what stands open of all supply twins: a network is watched as a whole. */
function showStanding({ standing }) {
  setText(find("standing-title"), `Open alerts of all on the way: ${standing.total.toLocaleString("en")}`);
  const rest = standing.total - standing.items.length;
  put(find("standing"), standing.items.length ? [el("ul", { class: "alert-list" }, standing.items.map(openAlert)), rest > 0 ? el("p", { class: "muted" }, `and ${rest.toLocaleString("en")} more; the list of all units has them`) : null] : el("p", { class: "empty" }, "None. All quiet."));
}

runPage({ kind: "network", load, parts: {
  figures: showFigures, flow: showFlow, late: showLate, plans: showPlans, capacity: showCapacity, future: showFuture, boxes: showBoxes, rooms: showRooms, lanes: showLanes, standing: showStanding,
} });
