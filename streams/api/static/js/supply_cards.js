/** Supply twins among the units: one card, tile or row each, grouped by what they are, those at risk first. */

import { unitLink } from "./alerts.js";
import { freshness } from "./cards.js";
import { el } from "./dom.js";
import { STATES, number, symbol } from "./states.js";
import { percent } from "./study_words.js";
import { KINDS, hours, kindOf, moment, nameOf, plain } from "./supply_words.js";
import { stamp } from "./times.js";

const FAMILIES = [["bioreactor", "Units"], ["enrollment", "Studies"]];

/** Group twins of a page under [name, items]; supply twins by what they are. Sorted by urgency, those at risk come first among equally urgent ones. */
export function grouped(items, sort) {
  const found = new Map([...FAMILIES.map(([, name]) => name), ...Object.values(KINDS).map((kind) => kind.many), "Others"].map((name) => [name, []]));
  for (const item of items) found.get(groupOf(item)).push(item);
  for (const kind of Object.values(KINDS)) if (sort === "urgency") found.get(kind.many).sort((a, b) => STATES[b.state].rank - STATES[a.state].rank || risk(b) - risk(a));
  const groups = [...found].filter(([, members]) => members.length);
  return groups.length === 1 && groups[0][0] === "Others" ? [["Units", groups[0][1]]] : groups;
}

function groupOf(item) {
  if (item.kind === "supply") return KINDS[kindOf(item.key)]?.many ?? "Others";
  return FAMILIES.find(([kind]) => kind === item.kind)?.[1] ?? "Others";
}

function risk(item) {
  return item.values?.stopped ? 2 : item.ahead?.p_late ?? item.ahead?.p_warm ?? 0;
}

/** Draw a supply twin as `view` asks: card, tile or row. */
export function drawSupply(view, item) {
  return { cards: card, tiles: tile, table: row }[view](item);
}

function card(item) {
  const loud = Boolean(item.alert);
  const more = item.open_alerts > 1 ? ` +${item.open_alerts - 1}` : "";
  const { big, small, sub, ahead } = words(item);
  return el("li", { class: `card study-card supply-card is-${item.state}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key) },
      el("span", { class: "head" }, symbol(item.state, 18), el("span", { class: "name", title: item.key }, nameOf(item.key)), el("span", { class: "word" }, STATES[item.state].word + more)),
      el("span", { class: "sub" }, sub), el("span", { class: "figure wide-figure" }, el("span", { class: "big" }, el("b", {}, big), " ", el("small", {}, small))),
      el("span", { class: "ahead" }, ahead),
      el("span", { class: `foot${loud ? " loud" : ""}`, title: loud ? item.alert.message : freshness(item), "data-fresh": loud ? null : "" }, loud ? item.alert.message : freshness(item))));
}

function tile(item) {
  const word = STATES[item.state].word;
  const { big, small, sub } = words(item);
  return el("li", { class: `tile is-${item.state}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key), title: `${item.key}: ${word}, ${sub}, ${big} ${small}${item.alert ? `. ${item.alert.message}` : ""}` },
      symbol(item.state, 13), el("span", { class: "name" }, nameOf(item.key)), el("span", { class: "unseen" }, word), el("span", { class: "value" }, el("b", {}, big), " ", el("small", {}, small))));
}

function row(item) {
  const { big, small, sub } = words(item);
  return el("tr", { "data-key": item.key },
    el("td", {}, el("span", { class: `badge is-${item.state}` }, symbol(item.state, 14), STATES[item.state].word)),
    el("th", { scope: "row" }, el("a", { href: unitLink(item.kind, item.key) }, nameOf(item.key))),
    el("td", {}, sub), el("td", {}, `${big} ${small}`), el("td", { class: "n" }, "–"), el("td", { class: "n" }, "–"), el("td", { class: "n" }, "–"),
    el("td", { class: "n" }, String(item.open_alerts || "")), el("td", { class: "message", title: item.alert?.message }, item.alert?.message ?? ""),
    el("td", { "data-fresh": "", title: item.known_at ? stamp(Date.parse(item.known_at)) : null }, freshness(item)));
}

/** Say the most telling figure of a twin, what it is, and what is ahead of it. */
function words(item) {
  const { values, ahead } = item;
  const kind = kindOf(item.key);
  if (!values) return { big: "–", small: "", sub: `${KINDS[kind]?.word ?? "Supply"}, nothing known yet`, ahead: "" };
  return SAYS[kind]?.(values, ahead ?? {}) ?? { big: "–", small: "", sub: "Supply", ahead: "" };
}

const SAYS = {
  patient: (one, ahead) => ({
    big: one.stopped ? "STOP" : plain(one.step || "not begun"), small: one.stopped ? plain(one.step || "") : "", sub: ["Patient", one.product, one.place].filter(Boolean).join(", "),
    ahead: ahead.infusion ? ["infusion ", el("b", {}, moment(ahead.infusion[2]).slice(0, 10)), ahead.p_late === undefined ? ", no slot" : [", late ", el("b", {}, percent(ahead.p_late))]] : "no forecast",
  }),
  shipper: (one, ahead) => ({
    big: one.opened ? "Opened" : ahead.p_warm === undefined ? "On its way" : percent(ahead.p_warm), small: one.opened || ahead.p_warm === undefined ? "" : "may be warm", sub: `Box of ${one.patient}${one.tipped && !one.opened ? ", on its side" : ""}`,
    ahead: one.opened || !ahead.hours_to_limit ? "" : ["holds ", el("b", {}, ahead.hours_to_limit[2] === null ? "over 100 d" : hours(ahead.hours_to_limit[2]))],
  }),
  room: (one) => ({ big: plain(one.suite), small: `grade ${one.grade}`, sub: `Room, ${one.people} ${one.people === 1 ? "person" : "people"}`, ahead: `occupied ${number(one.occupied_hours, 2)} h so far` }),
  network: (one) => ({ big: one.patients.toLocaleString("en"), small: "on the way", sub: ["Network", one.title].filter(Boolean).join(", "), ahead: one.future_of ? ["future simulated ", el("b", {}, moment(one.future_of))] : "no future simulated yet" }),
};
