/** Lists of alerts, the same on both pages. */

import { el } from "./dom.js";
import { STATES, symbol } from "./states.js";
import { supplyLink } from "./supply_words.js";
import { age, clockTime, stamp } from "./times.js";

/** Show one open alert of any unit, with the way there. */
export function openAlert(alert) {
  const data = alert.last.data;
  const raised = Date.parse(alert.raised_at);
  return el(
    "li", { class: `alert-item is-${data.priority}`, "data-alert": alert.alert },
    symbol(data.priority, 20),
    el("div", {}, el("a", { class: "who", href: unitLink(alert.kind, alert.key) }, alert.key), " ", el("span", { class: "muted" }, `${STATES[data.priority].word} · ${lane(alert.last)}`)),
    el("p", { class: "what" }, data.message),
    el("p", { class: "since", title: stamp(raised) }, `since ${clockTime(raised)} (${age(raised)})${data.probability === null ? "" : `, probability ${Math.round(data.probability * 100)} %`}`),
  );
}

/** Show one alert of a unit's page, open or cleared, with a way to its lineage. */
export function unitAlert(alert, onLineage) {
  const data = alert.last.data;
  const raised = Date.parse(alert.raised_at || alert.last.event_time);
  const cleared = alert.cleared_at ? Date.parse(alert.cleared_at) : null;
  const word = STATES[data.priority].word;
  const past = alert.suppressed ? `Suppressed: it follows from another · ${word.toLowerCase()}` : `Cleared · was ${word.toLowerCase()}`;
  return el(
    "li", { class: `alert-item ${alert.open ? `is-${data.priority}` : "is-cleared"}` },
    symbol(alert.open ? data.priority : "ended", 20),
    el("div", {}, alert.open ? el("span", { class: "who" }, word) : el("span", { class: "muted" }, past)),
    el("p", { class: "what" }, data.message),
    el("p", { class: "since" },
      `raised ${stamp(raised)}${cleared ? `, cleared ${stamp(cleared)}` : ` (${age(raised)} ago)`} `,
      el("button", { type: "button", class: "small", onclick: () => onLineage(alert.last) }, "Where from")),
  );
}

/** Write the address of a unit's page, of a study's, or of a supply twin's. */
export function unitLink(kind, key) {
  if (kind === "supply") return supplyLink(key);
  if (kind === "enrollment") return `/study?${new URLSearchParams({ key })}`;
  return `/unit?${new URLSearchParams({ kind, key })}`;
}

function lane(effect) {
  return effect.lane === "advisory" ? "advisory" : effect.data.rule;
}
