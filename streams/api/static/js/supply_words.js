/** How supply twins are written: their keys, hours, moments, risks, and the words for what is wrong. */

import { sign } from "./signs.js";
import { number } from "./states.js";
import { stamp, zoneName } from "./times.js";

/** The four kinds of supply twin by the first word of their key: what one is called, many are, and its page. */
export const KINDS = {
  network: { word: "Network", many: "Networks", page: "/network" },
  patient: { word: "Patient", many: "Patients", page: "/patient" },
  shipper: { word: "Box", many: "Boxes", page: "/box" },
  room: { word: "Room", many: "Rooms", page: "/room" },
};
export const RISK_ON = 0.2; // from here on a slot is at risk, as twins raise it by default

/** Tell what kind of supply twin a key names: `patient:COI-7` is a patient's. */
export function kindOf(key) {
  const word = key.slice(0, Math.max(0, key.indexOf(":")));
  return word in KINDS ? word : null;
}

/** Give the name within a key: `patient:COI-7` is COI-7. */
export function nameOf(key) {
  return key.slice(key.indexOf(":") + 1);
}

/** Write the address of a supply twin's page. */
export function supplyLink(key) {
  return `${KINDS[kindOf(key)]?.page ?? "/network"}?${new URLSearchParams({ key })}`;
}

/** Write hours as people do: minutes, hours, days. */
export function hours(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0 h";
  if (value < 1) return `${Math.max(1, Math.round(value * 60))} min`;
  return value < 48 ? `${number(value, 2)} h` : `${number(value / 24, 3)} d`;
}

/** Write a moment, RFC 3339 text or null, to the minute; the zone stands at the top of the page. */
export function moment(text, otherwise = "–") {
  return text ? stamp(Date.parse(text)).slice(0, 16) : otherwise;
}

/** Write a moment with its zone. */
export function zoned(text, otherwise = "–") {
  return text ? `${moment(text)} ${zoneName()}` : otherwise;
}

/** Write a mean with its 95 % interval, or "–". */
export function interval(one, write = (value) => number(value, 2)) {
  if (!one || one.mean === null) return "–";
  return one.low === null ? write(one.mean) : `${write(one.mean)} (${write(one.low)} to ${write(one.high)})`;
}

/** Write a mean share with its 95 % interval: 96 % (94 to 99). */
export function shares(one) {
  if (!one || one.mean === null) return "–";
  const bare = (value) => number(100 * value, value > 0.0995 ? 2 : 1).replace(/\.0$/, "");
  const whole = (value) => (Math.abs(value) < 0.0005 ? "0" : value >= 0.9995 ? String(Math.round(100 * value)) : bare(value));
  return one.low === null ? `${whole(one.mean)} %` : `${whole(one.mean)} % (${whole(Math.max(0, one.low))} to ${whole(one.high)})`;
}

/** Judge a probability of being late, as shape and word. */
export function lateness(probability, write) {
  if (probability === null || probability === undefined) return sign("none", "no slot");
  return sign(probability >= 0.5 ? "bad" : probability >= RISK_ON ? "watch" : "good", write(probability));
}

/** Write a name of the model's, such as `custody_gap`, as words. */
export function plain(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Say what the disposition of units is. */
export function toneOf(word) {
  return ["released", "passed", "within", "fine"].includes(word) ? "good" : ["rejected", "failed", "action", "held"].includes(word) ? "bad" : ["quarantined", "invalid", "alert", "low", "oos_approved"].includes(word) ? "watch" : "none";
}
