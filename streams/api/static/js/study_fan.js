/** The fan chart of a study or of one of its countries, with its figures as a table and as CSV. */

import { download } from "./csv.js";
import { el, find, put, setText, svg } from "./dom.js";
import { makeFan } from "./fan_chart.js";
import { effectRows, showLineage } from "./lineage.js";
import { get } from "./net.js";
import { chosen } from "./prefs.js";
import { scrolling, tableOf } from "./signs.js";
import { stamp } from "./times.js";
import { day, percent } from "./study_words.js";

const MOMENTS = 16; // estimates that are asked for to draw a country's past
const state = { of: "study", chart: null, open: false, turn: 0 };
const pasts = new Map(); // `found`: the estimates that a past is drawn from; `for`: of which moment
let shown = null;
let drawn = ""; // what the chart shows: the same is not drawn again, so that a person's zoom stays

/** Show it. `given` has `twin`, `forecast` (effects or null), `past` {t [us], numbers} of the study, and `moment` for the API. */
export function showFan(given) {
  shown = given;
  const there = Boolean(given.twin.estimate);
  find("fan").hidden = !there;
  if (!there) return;
  const names = given.twin.estimate.data.countries.map((one) => one.country);
  if (state.of !== "study" && state.of !== "events" && !names.includes(state.of)) state.of = "study";
  const wanted = JSON.stringify([given.twin.estimate.id, given.forecast?.id, given.past?.t?.length, chosen()]);
  if (wanted !== drawn) draw(names);
  drawn = wanted;
}

/** Fit the chart to its box whenever that is of another width, as before and after printing. */
export function fitFan() {
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) < 1) return;
    width = entry.contentRect.width;
    state.chart?.resize();
  }).observe(find("fan-body"));
}

function draw(names) {
  const { forecast } = shown;
  const choice = el("select", { id: "fan-of", onchange: (event) => { state.of = event.target.value; draw(names); find("fan-of").focus(); } },
    el("option", { value: "study" }, "Whole study"), forecast?.data.events ? el("option", { value: "events" }, "Events") : null,
    names.map((name) => el("option", { value: name }, name)));
  choice.value = state.of;
  const box = el("div", { class: "plot fan-plot", role: "img", "aria-labelledby": "fan-title fan-says" });
  const readout = el("p", { class: "readout", id: "fan-readout" });
  const table = el("div", { id: "fan-table", hidden: !state.open });
  put(find("fan-body"),
    el("div", { class: "fan-tools" }, el("label", { class: "field", for: "fan-of" }, "Show ", choice), legend(), el("span", { class: "spring" }),
      el("button", { type: "button", class: "small", "aria-expanded": String(state.open), "aria-controls": "fan-table", onclick: (event) => { state.open = !state.open; table.hidden = !state.open; event.target.setAttribute("aria-expanded", String(state.open)); } }, "Table"),
      el("button", { type: "button", class: "small", onclick: () => download(`${shown.twin.key}-${state.of}.csv`, csv()) }, "CSV"),
      forecast ? el("button", { type: "button", class: "small", onclick: () => showLineage("A forecast", effectRows(forecast), forecast.id) }, "Where from") : null),
    readout, box, el("p", { class: "unseen", id: "fan-says" }), table);
  fillChart(box, readout, table);
}

async function fillChart(box, readout, table) {
  const turn = ++state.turn;
  let past = pastOfStudy();
  if (state.of !== "study") past = await pastOf(state.of === "events" ? eventsOf : countryOf(state.of));
  if (turn !== state.turn || !box.isConnected) return;
  const view = viewOf(past);
  state.chart?.destroy();
  const rest = restingWords(view);
  state.chart = makeFan(box, view, (i, plot) => setText(readout, i === null ? rest : under(plot.data, i)));
  setText(readout, rest);
  setText(find("fan-says"), `${rest} The table has the numbers.`);
  put(table, forecastTable(view));
}

function pastOfStudy() {
  const { past, twin } = shown;
  const data = twin.estimate.data;
  const counted = past?.numbers?.counted ?? [];
  const t = past?.t ?? [];
  const kept = t.map((us, i) => i).filter((i) => counted[i] !== null && counted[i] !== undefined);
  const out = { t: kept.map((i) => t[i] / 1e6), value: kept.map((i) => counted[i]), planned: kept.map((i) => past.numbers.planned?.[i] ?? null) };
  return ending(out, Date.parse(data.as_of) / 1000, data.counted, data.planned);
}

function countryOf(name) {
  return (data) => data.countries.find((one) => one.country === name) ?? null;
}

function eventsOf(data) {
  return { counted: data.steps.event, planned: null };
}

/** The past of a country, or of events: successive estimates, since the history holds the whole study only. */
async function pastOf(pick) {
  const { twin, moment } = shown;
  const now = Date.parse(twin.estimate.data.as_of);
  const from = twin.extent.event_time ? Date.parse(twin.extent.event_time[0]) : now;
  const address = JSON.stringify([twin.estimate.id, moment.known_at]);
  if (pasts.get("for") !== address) {
    pasts.clear();
    pasts.set("for", address);
    const ats = Array.from({ length: MOMENTS }, (_, i) => new Date(from + ((now - from) * (i + 0.5)) / MOMENTS).toISOString());
    pasts.set("found", Promise.all(ats.map((at) => get(`twins/enrollment/${encodeURIComponent(twin.key)}`, { at, known_at: moment.known_at }).catch(() => null))));
  }
  const found = (await pasts.get("found")).map((one) => one?.estimate).filter(Boolean);
  const out = { t: [], value: [], planned: [] };
  for (const estimate of found) {
    const one = pick(estimate.data);
    const t = Date.parse(estimate.data.as_of) / 1000;
    if (!one || t <= (out.t.at(-1) ?? -Infinity)) continue;
    out.t.push(t);
    out.value.push(one.counted);
    out.planned.push(one.planned);
  }
  const last = pick(twin.estimate.data);
  return ending(out, now / 1000, last.counted, last.planned);
}

function ending(past, now, value, planned) {
  const t = past.t.filter((one) => one < now);
  return { t: [...t, now], value: [...past.value.slice(0, t.length), value], planned: [...past.planned.slice(0, t.length), planned] };
}

function viewOf(past) {
  const { twin, forecast } = shown;
  const data = twin.estimate.data;
  const now = Date.parse(data.as_of) / 1000;
  const ahead = forecast?.data;
  const rows = !ahead ? null : state.of === "study" ? ahead.study : state.of === "events" ? ahead.events : ahead.countries[state.of];
  const at = (ahead?.at ?? []).map((text) => Date.parse(text) / 1000);
  const begin = ahead ? Date.parse(ahead.as_of) / 1000 : now;
  const held = past.t.findLastIndex((t) => t <= begin);
  const start = past.value[held] ?? past.value[0] ?? 0;
  const fan = rows?.length && rows[0].length === 5
    ? { t: [begin, ...at], q: [0, 1, 2, 3, 4].map((j) => [start, ...rows.map((row) => row[j])]) } : null;
  const plan = { t: past.t.filter((_, i) => past.planned?.[i] !== null), value: (past.planned ?? []).filter((one) => one !== null) };
  if (state.of === "study" && ahead?.plan) at.forEach((t, i) => { if (t > now) { plan.t.push(t); plan.value.push(ahead.plan[i]); } });
  return { past, fan, plan, now, level: levelOf(data, ahead), marks: marksOf(ahead) };
}

function levelOf(data, ahead) {
  if (state.of === "study") return { value: data.target, text: `Target ${data.target}` };
  if (state.of === "events") {
    const last = ahead.targets.filter((target) => target.of === "events").at(-1);
    return last ? { value: last.count, text: `Target ${last.count} events` } : null;
  }
  const { cap } = data.countries.find((one) => one.country === state.of);
  return cap === null ? null : { value: cap, text: `Cap ${cap}` };
}

function marksOf(ahead) {
  const kind = state.of === "events" ? "events" : "subjects";
  if (!ahead || !["study", "events"].includes(state.of)) return [];
  return ahead.targets.filter((target) => target.of === kind).map((target) => ({
    t: Date.parse(target.by) / 1000, value: target.count, done: target.reached !== null, late: target.reached === null && target.probability < 0.5,
    short: `${target.name} ${target.reached ? "reached" : percent(target.probability)}`,
    text: `${target.name === "target" ? "target" : target.name}: ${target.count} by ${day(target.by)}, ${target.reached ? `reached ${day(target.reached)}` : percent(target.probability)}`,
  }));
}

function restingWords(view) {
  const value = view.past.value.at(-1);
  const behind = view.plan.t.length && view.past.planned?.at(-1) !== null && view.past.planned?.at(-1) !== undefined ? `, planned ${Math.round(view.past.planned.at(-1))}` : "";
  const fan = view.fan;
  const end = fan ? ` By ${stamp(fan.t.at(-1) * 1000).slice(0, 10)}: ${Math.round(fan.q[2].at(-1))} expected (90 %: ${Math.round(fan.q[0].at(-1))} to ${Math.round(fan.q[4].at(-1))}).` : " No forecast yet.";
  return `${value === undefined ? "" : `${stamp(view.now * 1000).slice(0, 10)}: ${value} counted${behind}.`}${end}`;
}

function under(data, i) {
  const near = (column) => data[column]?.[i];
  const parts = [stamp(data[0][i] * 1000).slice(0, 10)];
  if (typeof near(1) === "number") parts.push(`counted ${near(1)}`);
  if (typeof near(2) === "number") parts.push(`planned ${Math.round(near(2))}`);
  if (typeof near(5) === "number") parts.push(`expected ${Math.round(near(5))} (50 %: ${Math.round(near(4))} to ${Math.round(near(6))}; 90 %: ${Math.round(near(3))} to ${Math.round(near(7))})`);
  return parts.join(" · ");
}

function legend() {
  const key = (name, ...inside) => svg("svg", { class: `fan-key ${name}`, viewBox: "0 0 24 12", width: 24, height: 12, "aria-hidden": "true", focusable: "false" }, inside);
  const line = (name) => svg("path", { d: "M0 6h24", class: name });
  return el("ul", { class: "legend" },
    el("li", {}, key("k", line("counted")), "counted"),
    el("li", {}, key("k", svg("rect", { y: 0, width: 24, height: 12, class: "outer" }), svg("rect", { y: 3, width: 24, height: 6, class: "inner" }), line("median")), "expected: median, 50 and 90 %"),
    el("li", {}, key("k", line("plan")), "plan"),
    el("li", {}, key("k", svg("path", { d: "M12 1l5 5-5 5-5-5z", class: "goal" })), "target or interim look; full where reached"));
}

function forecastTable(view) {
  if (!view.fan) return el("p", { class: "muted" }, "No forecast yet.");
  const plan = state.of === "study" ? shown.forecast.data.plan : null;
  return scrolling("The forecast as a table", tableOf("Subjects expected by date", ["By", ["5 %", "n"], ["25 %", "n"], ["Median", "n"], ["75 %", "n"], ["95 %", "n"], ["Plan", "n"]],
    view.fan.t.slice(1).map((t, i) => [stamp(t * 1000).slice(0, 10), ...view.fan.q.map((column) => String(Math.round(column[i + 1]))), plan ? String(Math.round(plan[i])) : "–"])));
}

function csv() {
  const { forecast } = shown;
  const data = forecast?.data;
  const rows = data ? (state.of === "study" ? data.study : state.of === "events" ? data.events : data.countries[state.of]) : [];
  return ["at,q05,q25,q50,q75,q95", ...rows.map((row, i) => [data.at[i], ...row].join(","))].join("\n").concat("\n");
}
