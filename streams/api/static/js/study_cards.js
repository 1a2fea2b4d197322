/** One study among the units: counted of target, whether in time, what stands. Its facts do not age as readings do: an old one is as true. */

import { unitLink } from "./alerts.js";
import { freshness } from "./cards.js";
import { el, svg } from "./dom.js";
import { STATES, symbol } from "./states.js";
import { day, percent } from "./study_words.js";
import { stamp } from "./times.js";

/** Draw a study as `view` asks: card, tile or row. */
export function drawStudy(view, item) {
  return { cards: card, tiles: tile, table: row }[view](item);
}

function card(item) {
  const loud = Boolean(item.alert);
  const more = item.open_alerts > 1 ? ` +${item.open_alerts - 1}` : "";
  return el("li", { class: `card study-card is-${item.state}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key) },
      el("span", { class: "head" }, symbol(item.state, 18), el("span", { class: "name", title: item.key }, item.key), el("span", { class: "word" }, STATES[item.state].word + more)),
      el("span", { class: "sub" }, by(item)),
      el("span", { class: "figure wide-figure" },
        el("span", { class: "big" }, el("b", {}, counted(item)), " ", el("small", {}, target(item))), gauge(item)),
      el("span", { class: "ahead" }, chanceWords(item)),
      el("span", { class: `foot${loud ? " loud" : ""}`, title: loud ? item.alert.message : freshness(item), "data-fresh": loud ? null : "" }, loud ? item.alert.message : freshness(item))));
}

function tile(item) {
  const word = STATES[item.state].word;
  return el("li", { class: `tile is-${item.state}`, "data-key": item.key },
    el("a", { href: unitLink(item.kind, item.key), title: `${item.key}: ${word}, ${counted(item)} ${target(item)}, ${by(item)}${item.alert ? `. ${item.alert.message}` : ""}` },
      symbol(item.state, 13), el("span", { class: "name" }, item.key), el("span", { class: "unseen" }, `${word}, counted`),
      el("span", { class: "value" }, el("b", {}, counted(item)), " ", el("small", {}, target(item)))));
}

function row(item) {
  const goal = goalOf(item);
  return el("tr", { "data-key": item.key },
    el("td", {}, el("span", { class: `badge is-${item.state}` }, symbol(item.state, 14), STATES[item.state].word)),
    el("th", { scope: "row" }, el("a", { href: unitLink(item.kind, item.key) }, item.key)),
    el("td", {}, `${counted(item)} ${target(item)}`), el("td", {}, item.values?.by ? `by ${day(item.values.by)}${goal && !goal.reached ? `, on time ${percent(goal.probability)}` : ""}` : "no plan known"),
    el("td", { class: "n" }, "–"), el("td", { class: "n" }, "–"), el("td", { class: "n" }, "–"),
    el("td", { class: "n" }, String(item.open_alerts || "")), el("td", { class: "message", title: item.alert?.message }, item.alert?.message ?? ""),
    el("td", { "data-fresh": "", title: item.known_at ? stamp(Date.parse(item.known_at)) : null }, freshness(item)));
}

function goalOf(item) {
  const targets = item.targets ?? [];
  return targets.find((one) => one.name === "target") ?? targets.at(-1) ?? null;
}

function counted(item) {
  return item.values?.counted?.toLocaleString("en") ?? "–";
}

function target(item) {
  return item.values?.target ? `of ${item.values.target.toLocaleString("en")}` : "";
}

function by(item) {
  return item.values?.by ? `Study, by ${day(item.values.by)}` : "Study, no plan known";
}

function chanceWords(item) {
  const goal = goalOf(item);
  if (!goal) return "no forecast yet";
  if (goal.reached) return ["target reached ", el("b", {}, day(goal.reached))];
  return ["on time ", el("b", {}, percent(goal.probability)), `, expected ${day(goal.reached_at[2], "not within the horizon")}`];
}

function gauge(item) {
  if (!item.values?.target) return null;
  const share = Math.min(1, item.values.counted / item.values.target);
  return svg("svg", { class: "study-gauge", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, svg("rect", { width: 100, height: 4, class: "rest" }), svg("rect", { width: 100 * share, height: 4 }));
}
