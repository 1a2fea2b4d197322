/** The alarm system as a whole over a period: the figures of ISA-18.2 and EEMUA 191 with their targets, and what they are made of. */

import { unitLink } from "./alerts.js";
import { el, find, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { get } from "./net.js";
import { chosen, choose, onChoice } from "./prefs.js";
import { bar, breakable, scrolling, sign, tableOf } from "./signs.js";
import { STATES, badge, number } from "./states.js";
import { now, setClock, stamp, zoneName } from "./times.js";

const DAY_MS = 86_400_000;
const SPANS = [["1", "24 h"], ["7", "7 days"], ["30", "30 days"], ["own", "From – to"]];
const MOST_OPERATORS = 20; // the rest is counted
const MOST_LISTED = 50;
const JUDGED = { acceptable: ["good", "acceptable"], manageable: ["watch", "manageable"], over: ["bad", "over target"] };
const WORST = ["over", "manageable", "acceptable"];
const RATES = [
  ["alarms_per_day", "Alarms in a day, average", ""], ["alarms_per_hour", "Alarms in an hour, average", ""], ["alarms_per_10_minutes", "Alarms in ten minutes, average", ""],
  ["peak_per_10_minutes", "Most in ten minutes", ""], ["peak_per_hour", "Most in an hour", ""], ["peak_per_day", "Most in a day", ""],
  ["hours_over_30_percent", "Hours with more than 30", "%"], ["ten_minutes_over_10_percent", "Ten minutes with more than 10", "%"], ["flood_percent", "Time in flood", "%"],
];
const NUISANCE = [
  ["chattering", "Chattering sources: 3 in a minute", ""], ["fleeting", "Fleeting sources: cleared within a minute", ""], ["stale_peak", "Stale at once, most on a day: over 24 h", ""],
  ["top_10_percent", "Share of the ten most frequent", "%"],
];
const PRIORITIES = [["above_low_percent", "Not of low priority", "%"], ["above_medium_percent", "High or critical", "%"], ["critical_percent", "Critical", "%"]];
// What the targets of the three shares above make of each priority [% of alarms]: 80 low, 15 medium, 5 high, under 1 critical.
const SHARES = { low: [80, "about 80"], medium: [15, "about 15"], high: [5, "about 5"], critical: [1, "under 1"] };

const address = new URLSearchParams(location.search);
const wish = { span: ["1", "7", "30"].includes(address.get("days")) ? address.get("days") : address.get("start") ? "own" : "30", operators: address.get("operators") === "unit" ? "unit" : "all", start: address.get("start"), end: address.get("end") };
let asked = 0;

buildTop({ streaming: false });

async function load() {
  const turn = ++asked;
  const { start, end } = period();
  if (start >= end) {
    showTrouble({ title: "No such period", message: "expected an end after the start; change one of them" });
    return;
  }
  try {
    const status = await get("status");
    setClock(status.now);
    const found = await get("alarms/kpis", { start: new Date(start).toISOString(), end: new Date(end).toISOString(), operators: wish.operators, zone_minutes: zoneMinutes() });
    if (turn !== asked) return;
    showTrouble(null);
    show(found);
  } catch (error) {
    if (turn === asked) showTrouble(error, load);
  }
}

function period() {
  const own = wish.span === "own";
  const end = own && wish.end ? Date.parse(wish.end) : now();
  return { start: own && wish.start ? Date.parse(wish.start) : end - Number(own ? 30 : wish.span) * DAY_MS, end };
}

function zoneMinutes() {
  return chosen().clock === "local" ? -new Date().getTimezoneOffset() : 0;
}

function show(found) {
  const [from, to] = [found.start, found.end].map((text) => stamp(Date.parse(text)));
  setText(find("period"), `${from} to ${to} ${zoneName()}`);
  setText(find("source"), `After ${found.source}. Suppressed alarms count in none of the figures; an alarm belongs to the period in which it was raised. A period of 30 days or more says something.`);
  const count = (one, verdict) => Object.values(one.figures).filter((figure) => figure.verdict === verdict).length;
  const sorted = [...found.operators].sort((a, b) => count(b, "over") - count(a, "over") || b.alarms - a.alarms);
  put(find("operators-shown"),
    sorted.length ? sorted.slice(0, MOST_OPERATORS).map((one) => operator(one, found, count)) : el("div", { class: "empty" }, el("strong", {}, "No alarm in this period"), "None was raised, and none stood. Choose a longer period, or look at another."),
    sorted.length > MOST_OPERATORS ? el("p", { class: "muted" }, `The ${MOST_OPERATORS} operators with most figures over their targets, of ${sorted.length}; /api/v1/alarms/kpis has them all.`) : null);
  say(sorted.length ? `${sorted.reduce((sum, one) => sum + one.alarms, 0)} alarms` : "No alarm in this period");
}

function operator(one, found, count) {
  const worst = WORST.find((verdict) => count(one, verdict));
  const title = one.operator === "all" ? "All units, one operator" : `Operator of ${one.operator}`;
  return el("section", { class: "operator", "data-operator": one.operator, "aria-label": title },
    el("h2", {}, title),
    el("p", { class: "summary" }, sign(JUDGED[worst]?.[0] ?? "none", worst ? `${count(one, worst)} of ${WORST.reduce((sum, verdict) => sum + count(one, verdict), 0)} figures ${JUDGED[worst][1]}` : "not judged"),
      el("span", {}, el("b", {}, String(one.alarms)), " alarms shown"), el("span", {}, el("b", {}, String(one.suppressed)), " suppressed"), el("span", {}, el("b", {}, String(one.standing.length)), one.standing.length === 1 ? " stands at the end" : " stand at the end")),
    el("div", { class: "blocks" },
      el("div", {}, part("Rates", figuresOf(RATES, one, found.targets)), part("Priorities", figuresOf(PRIORITIES, one, found.targets), priorities(one))),
      el("div", {}, part("Nuisance", figuresOf(NUISANCE, one, found.targets)), part("Ten most frequent", frequent(one)), part("Chattering and fleeting", nuisances(one)))),
    part(`Floods: ${one.floods.length}`, floods(one)),
    part(`Standing at the end: ${one.standing.length}; stale in the period: ${one.stale.length}`, standing(one, found.named)));
}

function part(title, ...what) {
  return el("section", { class: "part" }, el("h3", {}, title), what);
}

function figuresOf(figures, one, targets) {
  const rows = figures.filter(([name]) => one.figures[name]).map(([name, word, unit]) => {
    const figure = one.figures[name];
    return [word, `${Number.isInteger(figure.value) ? figure.value : number(figure.value)}${unit ? ` ${unit}` : ""}`, targetSays(targets[name], unit), figure.verdict ? sign(...JUDGED[figure.verdict]) : sign("none", targets[name] ? "too few sources to judge" : "no target")];
  });
  return tableOf("", ["Figure", ["Value", "n"], "Target", "Verdict"], rows);
}

function targetSays(target, unit) {
  if (!target) return "–";
  const write = (value) => `${+value}${unit ? ` ${unit}` : ""}`;
  return `${target.below ? "under" : "up to"} ${write(target.acceptable)}${target.manageable === null ? "" : `, manageable to ${write(target.manageable)}`}`;
}

function priorities(one) {
  const all = Object.values(one.priorities).reduce((sum, count) => sum + count, 0);
  return tableOf("Alarms by priority, beside what the targets make of them", ["Priority", ["Alarms", "n"], ["Share", "n"], "Of 100", "Target"],
    Object.entries(one.priorities).map(([name, count]) => [badge(name, STATES[name].word), String(count), all ? `${number((100 * count) / all)} %` : "–", bar(all ? count / all : 0, false), `${SHARES[name][1]} %`]));
}

function frequent(one) {
  if (!one.most_frequent.length) return none("No alarm was raised.");
  const most = one.most_frequent[0].alarms;
  return tableOf("", ["Unit", "Rule", ["Alarms", "n"], "Share"], one.most_frequent.map((source) => [unitOf(source.unit), breakable(source.rule), String(source.alarms), bar(source.alarms / most, false)]));
}

function floods(one) {
  if (!one.floods.length) return none("No flood: never ten alarms in ten minutes.");
  return scrolling("Floods", listed(one.floods, "", ["From", "To", ["Alarms", "n"], ["Most in ten minutes", "n"]], (flood) => [time(flood.start), flood.over ? time(flood.end) : "not over at the end", String(flood.alarms), String(flood.peak)]));
}

function nuisances(one) {
  const rows = [...one.chattering.map((source) => [source, sign("bad", "chattering")]), ...one.fleeting.map((source) => [source, sign("watch", "fleeting")])];
  if (!rows.length) return none("No source chatters, and none is fleeting.");
  return listed(rows, "", ["Unit", "Rule", "What"], ([source, what]) => [unitOf(source.unit), breakable(source.rule), what]);
}

function standing(one, named) {
  const ids = [...new Set([...one.stale, ...one.standing])];
  if (!ids.length) return none("None stands, and none was stale.");
  return scrolling("Standing and stale alarms", listed(ids, "", ["Unit", "Rule", "Priority", "Raised", "What", "Alert"], (id) => {
    const alarm = named[id];
    const what = one.stale.includes(id) ? sign("bad", one.standing.includes(id) ? "stale, stands" : "was stale") : sign("watch", "stands");
    return alarm ? [unitOf(alarm.unit, id), breakable(alarm.rule), badge(alarm.priority, STATES[alarm.priority].word), time(alarm.raised_at), what, el("code", {}, id)] : ["–", "–", "–", "–", what, el("code", {}, id)];
  }));
}

function listed(items, caption, heads, rowOf) {
  const more = items.length - MOST_LISTED;
  return tableOf(more > 0 ? `The first ${MOST_LISTED} of ${items.length}` : caption, heads, items.slice(0, MOST_LISTED).map(rowOf));
}

/** A unit's name with the way to its page; its kind is that of the topic in the alert's id. */
function unitOf(key, id = "bioreactor.events/") {
  return el("a", { href: unitLink(id.slice(0, id.indexOf(".events/")), key) }, key);
}

function time(text) {
  return el("time", { datetime: text }, stamp(Date.parse(text)));
}

function none(text) {
  return el("p", { class: "muted" }, text);
}

/** The fields for a period of one's own are in the zone that all times are written in. */
function fieldText(ms) {
  return stamp(ms).slice(0, 16);
}

function fieldTime(text) {
  const ms = Date.parse(chosen().clock === "local" ? text.replace(" ", "T") : `${text.replace(" ", "T")}Z`);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

function showTools() {
  const spans = find("spans");
  put(spans, spans.querySelector("legend"), SPANS.map(([value, word]) => {
    const input = el("input", { type: "radio", name: "span", value, onchange: () => { wish.span = value; change(); } });
    input.checked = wish.span === value;
    return el("label", {}, input, el("span", {}, word));
  }));
  const { start, end } = period();
  find("from").value = fieldText(start);
  find("to").value = fieldText(end);
  find("operators").value = wish.operators;
  setText(document.querySelector(".zone-of-fields"), zoneName());
}

function change() {
  const query = new URLSearchParams();
  if (wish.span === "own") {
    const { start, end } = period();
    query.set("start", new Date(start).toISOString());
    query.set("end", new Date(end).toISOString());
    Object.assign(wish, { start: query.get("start"), end: query.get("end") });
  } else query.set("days", wish.span);
  if (wish.operators === "unit") query.set("operators", "unit");
  history.replaceState(null, "", `${location.pathname}?${query}`);
  const held = document.activeElement?.name === "span";
  showTools();
  if (held) find("spans").querySelector("input:checked").focus();
  load();
}

find("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  const [start, end] = ["from", "to"].map((name) => fieldTime(find(name).value));
  if (start === null || end === null) {
    showTrouble({ title: "No such time", message: "expected two times such as 2026-03-01 06:00; change the one that is not" });
    return;
  }
  Object.assign(wish, { span: "own", start, end });
  change();
});
find("operators").addEventListener("change", (event) => { wish.operators = event.target.value; change(); });
find("print").addEventListener("click", () => window.print());
let themeBefore = null;
window.addEventListener("beforeprint", () => { themeBefore = chosen().theme; choose("theme", "light"); });
window.addEventListener("afterprint", () => choose("theme", themeBefore));
onChoice((name) => {
  if (name !== "clock") return;
  showTools();
  load();
});
showTools();
load();
