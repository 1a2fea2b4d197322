/** A box: how warm its payload is, how long it holds, whether it is warm before it is opened; on its own page and on its patient's. */

import { el } from "./dom.js";
import { get } from "./net.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { percent } from "./study_words.js";
import { courseChart, dateStrip, stripKey } from "./supply_charts.js";
import { FAMILY, figure, lineage } from "./supply_page.js";
import { hours, lateness, moment, nameOf, supplyLink, zoned } from "./supply_words.js";

const POINTS = 600;
const NEVER = "not within 100 days";

/** Read all that is shown of a box as of a moment; null where nobody heard of it. */
export async function loadBox(key, moment, twin = null) {
  const who = { kind: FAMILY, key, ...moment };
  try {
    const [found, history, forecasts] = await Promise.all([
      twin ?? get(`twins/${FAMILY}/${encodeURIComponent(key)}`, moment), get("history", { ...who, points: POINTS, part: "estimates" }), get("forecasts", who)]);
    return { key, twin: found, past: history.estimates ?? null, forecast: forecasts.items[0] ?? null };
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Say in one sign whether a box is warm before it is opened. */
export function warmSign(box) {
  const data = box.twin.estimate?.data;
  if (!data) return sign("none", "nothing known yet");
  if (data.opened) return data.excursions.some((one) => one.breached) ? sign("bad", "was out of its limits") : sign("good", "arrived within its limits");
  const p = box.forecast?.data.p_warm;
  if (p === null || p === undefined) return sign("none", "no arrival is known");
  return sign(p >= 0.25 ? "bad" : p >= 0.05 ? "watch" : "good", `P(warm before opened) ${percent(p)}`);
}

/** Give the figures of a box. */
export function boxFigures(box) {
  const { estimate } = box.twin;
  const { data } = estimate;
  const ahead = box.forecast?.data;
  const { payload, fill } = data;
  const where = () => lineage("A box", estimate);
  const limit = ahead ? `limit ${number(ahead.limit_celsius, 3)} °C` : "";
  return [
    figure("Payload", payload.status === "known" ? `${number(payload.celsius, 3)} °C` : "unknown", "", payload.status === "known" ? `90 %: ${number(payload.low, 3)} to ${number(payload.high, 3)} °C; ${limit}` : `the logger is silent; ${limit}`, { onclick: where }),
    data.opened ? figure("Opened", moment(data.opened).slice(0, 10), moment(data.opened).slice(11), "what came after is not its payload's course", { onclick: where, ahead: true, name: "hold" }) : figure("Hold time left", ahead ? left(ahead.hours_to_limit[2]) : "–", "median", ahead ? `${between(ahead.hours_to_limit)}rests on ${RESTS[ahead.rests_on] ?? ahead.rests_on}` : "no forecast yet", { onclick: box.forecast ? () => lineage("Hold time left", box.forecast) : null, ahead: true, name: "hold" }),
    figure("Warm before opened", ahead && ahead.p_warm !== null ? percent(ahead.p_warm) : "–", ahead?.p_warm !== null ? "probability" : "", data.opened || !ahead || ahead.p_warm === null ? warmSign(box) : lateness(ahead.p_warm, (p) => (p >= 0.5 ? "more likely warm than not" : p >= 0.2 ? "at risk" : "on course")), { ahead: true, name: "warm" }),
    figure("Refrigerant", fill.signals ? percent(fill.share) : "–", "of a full charge", fill.signals ? `± ${percent(2 * fill.sd)}; loses ${percent(fill.loss_per_day)} a day` : "no fill signal: hold time rests on age alone", { onclick: where }),
    figure("Lies on its side", data.tipped ? "yes" : "no", "", data.tipped_hours ? `${hours(data.tipped_hours)} in all${data.tilt_signal_lost ? "; its tilt signal is lost" : ""}` : "never on this trip", { onclick: where }),
  ];
}

const RESTS = { fill: "its fill", warming: "its payload, which warms", prior: "its age alone: no fill signal came" };

function between(quantiles) {
  const [low, high] = [left(quantiles[0]), left(quantiles[4])];
  return low === high ? "" : `90 %: ${low} to ${high}; `;
}

function left(value) {
  return value === null ? NEVER : value === 0 ? "used up" : hours(value);
}

/** Draw the payload's temperature with its interval and limit. */
export function boxCourse(box) {
  const payload = untilOpened(box);
  if (!payload) return el("p", { class: "muted" }, "No temperature yet: one is believed when a logger was read.");
  const limit = box.forecast?.data.limit_celsius ?? null;
  const last = payload.mean.findLast((one) => one !== null);
  const words = last === undefined ? "Its temperature is not known." : `Last known ${number(last, 3)} °C${limit === null ? "" : `, limit ${number(limit, 3)} °C`}.`;
  return [el("ul", { class: "legend" }, el("li", {}, el("i", { class: "key line", "aria-hidden": "true" }), "payload with its 90 % interval"), limit === null ? null : el("li", {}, el("i", { class: "key limit", "aria-hidden": "true" }), `limit ${number(limit, 3)} °C`)),
    courseChart({ ...payload, limit: limit === null ? null : { value: limit }, unit: "°C", label: `Payload temperature. ${words}` }), el("p", { class: "readout" }, words)];
}

/** Give the payload's course; of a box that was opened, up to then. */
function untilOpened(box) {
  const payload = box.past?.quantities?.payload;
  if (!payload) return null;
  const opened = box.twin.estimate?.data.opened;
  const end = opened ? box.past.t.filter((t) => t <= Date.parse(opened) * 1000).length : box.past.t.length;
  const cut = (column) => column.slice(0, end);
  return { t: cut(box.past.t), mean: cut(payload.mean), low: cut(payload.low), high: cut(payload.high) };
}

/** Draw when the limit is reached, against the arrival. */
export function boxAhead(box) {
  const data = box.twin.estimate.data;
  const ahead = box.forecast?.data;
  if (data.opened) return el("p", {}, `Opened ${zoned(data.opened)}.`);
  if (!ahead || ahead.hours_to_limit.includes(null)) return el("p", { class: "muted" }, ahead ? "The limit is not reached within 100 days, as far as can be said." : "No forecast yet.");
  const at = Date.parse(box.forecast.event_time);
  const quantiles = ahead.hours_to_limit.map((one) => at + one * 3.6e6);
  const marks = [{ at, word: "now", look: "now" }, ...(ahead.arrival ? [{ at: Date.parse(ahead.arrival[2]), word: "arrival", look: "slot" }] : [])];
  return [stripKey(marks.slice(1)), dateStrip(quantiles, marks, `The limit is reached ${moment(new Date(quantiles[2]).toISOString())}, 90 %: ${moment(new Date(quantiles[0]).toISOString())} to ${moment(new Date(quantiles[4]).toISOString())}`)];
}

/** List excursions by limit, and what the record does not cover. */
export function boxExcursions(box) {
  const { data } = box.twin.estimate;
  return [scrolling("Excursions by limit", tableOf(`Covered ${hours(data.covered_hours)}, unknown ${hours(data.unknown_hours)}`, ["Limit", ["Times", "n"], ["In all", "n"], ["Longest", "n"], "Verdict"],
    data.excursions.map((one) => [one.limit, String(one.count), hours(one.hours), hours(one.longest_hours), one.breached ? sign("bad", "broken") : sign("good", "kept")]))), ...aging(data)];
}

/** Say mean kinetic temperature and thermal dose, or why there is none. */
function aging({ kinetic, dose }) {
  return [
    el("p", { "data-aging": "kinetic" }, "Mean kinetic temperature: ", kinetic.refused ? [sign("none", "none"), ` ${kinetic.detail}.`] : [`${number(kinetic.celsius, 3)} °C from ${zoned(kinetic.begin)} to ${zoned(kinetic.end)} `, sign(kinetic.celsius > kinetic.limit_celsius ? "bad" : "good", `${number(kinetic.limit_celsius, 2)} °C is allowed`)]),
    dose ? el("p", { "data-aging": "dose" }, `Thermal dose: ${hours(dose.hours)} at ${number(dose.reference_celsius, 3)} °C, of ${hours(dose.covered_hours)} covered; ${hours(dose.unknown_hours)} unknown.`) : null];
}

/** Show a box on another twin's page. */
export function boxCard(box) {
  const data = box.twin.estimate?.data;
  return el("article", { class: "box-card", "data-box": box.key },
    el("h3", {}, el("a", { href: supplyLink(box.key) }, `Box ${nameOf(box.key)}`), " ", warmSign(box)),
    data ? [el("p", { class: "muted" }, `Holds ${data.units.join(", ")}; packed ${zoned(data.packed)}${data.opened ? `, opened ${zoned(data.opened)}` : ""}.`), el("div", { class: "figures" }, boxFigures(box)), boxCourse(box), boxAhead(box)] : el("p", { class: "muted" }, "Nothing is known of it yet."));
}
