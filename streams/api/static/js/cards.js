/** One unit at a glance, in three sizes. Each gives an element to place and can be made anew from its item. */

import { unitLink } from "./alerts.js";
import { el } from "./dom.js";
import { drawSpark } from "./spark.js";
import { STATES, number, symbol, unitName } from "./states.js";
import { drawStudy } from "./study_cards.js";
import { drawSupply } from "./supply_cards.js";
import { age, clockTime, stamp } from "./times.js";

/** Draw a unit as `view` asks: card, tile or row; a study and a supply twin in their own words. */
export function drawUnit(view, item, spark) {
  if (item.kind === "enrollment") return drawStudy(view, item);
  if (item.kind === "supply") return drawSupply(view, item);
  return { cards: card, tiles: tile, table: row }[view](item, spark);
}

/** Say in words how fresh a unit is; an old value is never shown as if it were the present one. */
export function freshness(item) {
  if (!item.known_at) return "nothing known yet";
  const at = Date.parse(item.known_at);
  if (item.state === "ended") return `ended ${clockTime(Date.parse(item.event_time))}`;
  return item.stale ? `stale since ${clockTime(at)} (${age(at)})` : `updated ${age(at)} ago`;
}

/** Tell whether a unit's numbers belong to the past. */
export function isOld(item) {
  return item.stale;
}

function card(item, spark) {
  const loud = item.alert !== null && item.alert !== undefined;
  const more = item.open_alerts > 1 ? ` +${item.open_alerts - 1}` : "";
  return el(
    "li", { class: `card is-${item.state}${isOld(item) ? " old" : ""}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key) },
      el("span", { class: "head" }, symbol(item.state, 18), el("span", { class: "name", title: item.key }, item.key), el("span", { class: "word" }, STATES[item.state].word + more)),
      el("span", { class: "sub" }, about(item)),
      el("span", { class: "figure" },
        el("span", { class: "big" }, el("span", { class: "unseen" }, item.stale ? "last known biomass " : "biomass "), el("b", {}, number(item.biomass?.mean)), " ", el("small", {}, unitName(item.biomass?.unit ?? ""))),
        el("span", { class: "range" }, item.biomass ? `${number(item.biomass.low)} – ${number(item.biomass.high)}` : ""),
        el("span", { class: "rate" }, "µ ", el("b", {}, number(item.growth_rate?.mean, 2)), ` ${unitName(item.growth_rate?.unit ?? "")}`)),
      drawSpark(spark),
      item.expected && item.state !== "ended" ? el("span", { class: "ahead", title: `${number(item.expected.low)} to ${number(item.expected.high)} at ${stamp(Date.parse(item.expected.at))}` }, "expected ", el("b", {}, number(item.expected.median)), ` in ${ahead(item)}`) : null,
      el("span", { class: `foot${loud ? " loud" : ""}`, title: loud ? item.alert.message : freshness(item), "data-fresh": loud && !item.stale ? null : "" },
        item.stale ? freshness(item) : loud ? item.alert.message : freshness(item)),
    ),
  );
}

function tile(item) {
  const word = STATES[item.state].word;
  return el(
    "li", { class: `tile is-${item.state}${isOld(item) ? " old" : ""}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key), title: `${item.key}: ${word}, ${freshness(item)}${item.alert ? `. ${item.alert.message}` : ""}` },
      symbol(item.state, 13), el("span", { class: "name" }, item.key), el("span", { class: "unseen" }, `${word}, biomass`),
      el("span", { class: "value" }, el("b", {}, number(item.biomass?.mean)), " ", el("small", {}, item.stale ? "stale" : unitName(item.biomass?.unit ?? "")))),
  );
}

function row(item) {
  return el(
    "tr", { class: isOld(item) ? "old" : "", "data-key": item.key },
    el("td", {}, el("span", { class: `badge is-${item.state}` }, symbol(item.state, 14), STATES[item.state].word)),
    el("th", { scope: "row" }, el("a", { href: unitLink(item.kind, item.key) }, item.key)),
    el("td", {}, item.batch ?? "–"), el("td", {}, item.phase ?? "–"),
    el("td", { class: "n" }, item.hours === null || item.hours === undefined ? "–" : item.hours.toFixed(1)),
    el("td", { class: "n" }, `${number(item.biomass?.mean)} ${unitName(item.biomass?.unit ?? "")}`),
    el("td", { class: "n" }, number(item.growth_rate?.mean, 2)),
    el("td", { class: "n" }, String(item.open_alerts || "")),
    el("td", { class: "message", title: item.alert?.message }, item.alert?.message ?? ""),
    el("td", { "data-fresh": "", title: item.known_at ? stamp(Date.parse(item.known_at)) : null }, freshness(item)),
  );
}

function about(item) {
  const hours = item.hours === null || item.hours === undefined ? null : `${item.hours.toFixed(1)} h`;
  return [item.batch, item.phase, hours].filter((part) => part !== null && part !== undefined).join(" · ") || "no run known";
}

function ahead(item) {
  const hours = (Date.parse(item.expected.at) - Date.parse(item.event_time)) / 3.6e6;
  return hours < 1 ? `${Math.max(0, Math.round(hours * 60))} min` : `${hours.toFixed(1)} h`;
}
