/** One unit: what was measured, what is believed, what is expected; now, or as it was and as it was known. */

import { showAdvice } from "./advice.js";
import { unitAlert } from "./alerts.js";
import { Course } from "./course.js";
import { el, find, keeping, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { goldenStanding, resizeGolden, showGolden } from "./golden.js";
import { forecastNote, forecastWarning, showHealth } from "./health.js";
import { UNDER_WAY } from "./job_words.js";
import { effectRows, showLineage } from "./lineage.js";
import { factWord } from "./marks.js";
import { follow, get } from "./net.js";
import { makePanel } from "./panel.js";
import { chosen, choose, onChoice } from "./prefs.js";
import { assayed, modelled, showProcess, titleOf } from "./process.js";
import { reportLink } from "./report.js";
import { forgetComparison, requestProgress, resizeRequests, showRequests } from "./requests.js";
import { sign } from "./signs.js";
import { STATES, badge, number, quantityName, scaleFor, unitName } from "./states.js";
import { age, microseconds, now, rfc, setClock, stamp } from "./times.js";
import { resizeTimeline, showTimeline, zoomTimeline } from "./timeline.js";
import { buildTravel } from "./travel.js";

const POINTS = 600;
const MOST_JOBS = 50;
const RELOAD_MS = 60_000;
const DRAW_MS = 1000;
const SETTLE_MS = 1500;
const LOOK_BACK = 2 / 3;
const SURPRISE = { value: 3.84, text: "95 % of a consistent filter's" };
const RANGES = [["run", "Whole run", null], ["24", "24 h", 24], ["8", "8 h", 8], ["1", "1 h", 1]];

const address = new URLSearchParams(location.search);
const unit = { kind: address.get("kind") || "bioreactor", key: address.get("key") || "" };
let range = "run";
let course = null;
let twin = null;
let panels = [];
let layout = "";
let asked = 0;
let stop = null;
let stopJobs = null;
let dirty = false;
let reloading = null;

const top = buildTop({ runClock: true });
const travel = buildTravel(momentOf(address), changeMoment);
document.title = `${unit.key} · twinstream`;

async function load() {
  const turn = ++asked;
  const { at, known } = travel.moment();
  const moment = { at: at === null ? null : rfc(at), known_at: known === null ? null : rfc(known) };
  const who = { kind: unit.kind, key: unit.key };
  const hours = RANGES.find(([name]) => name === range)[2];
  try {
    const found = await get(`twins/${encodeURIComponent(unit.kind)}/${encodeURIComponent(unit.key)}`, moment);
    setClock(found.now);
    const last = at ?? (found.last_event_time ? microseconds(found.last_event_time) : null);
    const start = hours && last ? rfc(last - hours * 3.6e9) : null;
    const [history, alerts, requests, jobs] = await Promise.all([get("history", { ...who, ...moment, points: POINTS, start }), get("alerts", { ...who, ...moment }), get("requests", { ...who, ...moment }), jobsOf()]);
    const forecasts = await get("forecasts", { ...who, ...moment, ...looked(found, history) });
    if (turn !== asked) return;
    showTrouble(null);
    top.mode(isLive());
    twin = found;
    const first = twin.extent;
    travel.bounds({ event: ends(first.event_time), known: ends(first.known_at) });
    course = history.window ? new Course(history, forecasts.items[0] || null) : null;
    showAll(alerts.items);
    keeping(find("requests"), () => showRequests(requests, jobs, () => { forgetComparison(); reload(); }));
    followJobs(jobs);
    goOn();
  } catch (error) {
    if (turn === asked) showTrouble(error, load);
  }
}

/** The pool's jobs of this unit, as they are now, whatever moment is shown; none where the job ledger does not answer. */
async function jobsOf() {
  try {
    return (await get("jobs", { twin_kind: unit.kind, twin_key: unit.key, limit: MOST_JOBS })).items;
  } catch {
    return [];
  }
}

/** Follow the jobs while one is under way; what ended is loaded with what it changed. */
function followJobs(jobs) {
  const wanted = jobs.some((job) => UNDER_WAY.includes(job.state));
  if (wanted === Boolean(stopJobs)) return;
  stopJobs?.();
  stopJobs = wanted ? follow({}, null, { state: () => {}, notice: () => {}, effect: (kind, body) => { if ((kind === "present" ? body : [body]).map(requestProgress).some(Boolean)) reload(); } }, "jobs/stream") : null;
}

/** Of a run that has ended, show what was expected when LOOK_BACK of it was over: a forecast beside what came of it. */
function looked(found, history) {
  if (!found.ended || !history.window) return {};
  const begun = (history.facts || []).filter((fact) => fact.type.endsWith(".batch_started")).at(-1)?.t ?? history.window.start;
  return { at: rfc(Math.round(begun + LOOK_BACK * (microseconds(found.estimate.event_time) - begun))) };
}

function showAll(alerts) {
  showIdent(alerts);
  showFigures();
  showBeliefs();
  showCharts();
  showTimelineHere();
  showAlerts(alerts);
  showFacts();
}

/** What changes with each estimate beside figures and charts. */
function showBeliefs() {
  const data = twin.estimate?.data;
  const forecast = course?.forecast ?? null;
  keeping(find("advice"), () => showAdvice(forecast, { at: data ? Date.parse(twin.estimate.event_time) : 0, ended: twin.ended, stale: isLive() && twin.stale }));
  keeping(find("golden"), () => showGolden(course, { name: unit.key, live: isLive(), configured: Boolean(data && "golden" in data) }));
  keeping(find("health"), () => showHealth(twin.estimate, forecast, twin.ended));
  keeping(find("process"), () => showProcess(data, forecast, twin.ended));
}

function showTimelineHere() {
  showTimeline(course, { ...spanOf(), pick: pickFact, later: travel.moment().at });
}

/** The stretch of time that the charts show [us]. */
function spanOf() {
  if (!course) return { from: 0, to: 1 };
  const end = course.end();
  return { from: course.window.start, to: end + (end - course.window.start) * 0.01 };
}

function isLive() {
  const { at, known } = travel.moment();
  return at === null && known === null;
}

function showIdent(alerts) {
  const data = twin.estimate?.data;
  const worst = alerts.filter((alert) => alert.open).map((alert) => alert.last.data.priority).sort((a, b) => STATES[b].rank - STATES[a].rank)[0];
  const state = worst || (!data ? "no_data" : twin.ended ? "ended" : twin.stale ? "stale" : "normal");
  const knownAt = twin.last_known_at ? Date.parse(twin.last_known_at) : null;
  put(
    find("ident"),
    el("h1", {}, unit.key), badge(state),
    el("dl", { class: "facts-row" },
      pair("Batch", data?.batch ?? "none"), pair("Phase", data?.phase ?? "none"),
      pair("Hours", data?.hours === null || data?.hours === undefined ? "–" : data.hours.toFixed(2)),
      pair("Model", twin.estimate?.model ?? "–"),
      data ? pair("Process time", stamp(Date.parse(twin.estimate.event_time))) : null,
      data ? pair("Known", stamp(isLive() ? knownAt : Date.parse(twin.estimate.known_at))) : null),
    isLive() && twin.stale ? el("strong", { class: "badge is-stale stale-note" }, `Stale since ${stamp(knownAt)} (${age(knownAt)}): the numbers below are from then`) : null,
    data?.filter?.consistent === false ? el("strong", { class: "badge is-high" }, "Filter is not consistent with what is measured") : null,
    el("span", { class: "spring" }),
    el("fieldset", { class: "switch" }, el("legend", { class: "unseen" }, "Time shown"), RANGES.map(([name, word]) => {
      const input = el("input", { type: "radio", name: "range", value: name, onchange: () => { range = name; layout = ""; load(); } });
      input.checked = range === name;
      return el("label", {}, input, el("span", {}, word));
    })),
    el("a", { href: `/jobs?view=all&twin_kind=${encodeURIComponent(unit.kind)}&twin_key=${encodeURIComponent(unit.key)}` }, "Jobs"),
    reportLink(unit, data?.batch ?? null, travel.moment().known === null ? null : rfc(travel.moment().known)),
    el("button", { type: "button", onclick: () => window.print() }, "Print"),
  );
}

function pair(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function showFigures() {
  const state = twin.estimate?.data.state;
  const old = isLive() && twin.stale;
  if (!state) {
    put(find("figures"), el("div", { class: "empty" }, el("strong", {}, isLive() ? "Nothing is believed of this unit yet" : "Nothing was believed of this unit then"),
      isLive() ? "An estimate comes with the first reading of a batch. If readings were sent, look at the rejects at the top of the page." : "Move `Look at` or `Known at` to a later moment."));
    return;
  }
  const figures = Object.entries(state).map(([name, belief]) => [name, belief, scaleFor(belief.unit, belief.mean)]).map(([name, belief, { factor, unit: unitText }]) => el(
    "button", { type: "button", class: `figure-box${old ? " old" : ""}`, "data-figure": name, onclick: () => pickEstimate(twin.estimate) },
    el("span", { class: "what" }, quantityName(name)),
    el("span", { class: "big" }, el("b", {}, number(belief.mean * factor)), " ", el("small", {}, unitText)),
    el("span", { class: "range" }, belief.sd === 0 ? "by the mass balance" : `90 %: ${number(belief.low * factor)} to ${number(belief.high * factor)}`),
  ));
  const ahead = course?.forecastOf("biomass");
  if (ahead) {
    figures.push(el("button", { type: "button", class: "figure-box ahead", onclick: () => pickForecast() },
      el("span", { class: "what" }, twin.ended ? `Biomass as forecast ${stamp(Date.parse(course.forecast.event_time)).slice(5, 16)}` : "Biomass expected at end"),
      el("span", { class: "big" }, number(ahead.q[2].at(-1)), " ", el("small", {}, unitName(course.forecast.data.units.biomass))),
      el("span", { class: "range" }, `90 %: ${number(ahead.q[0].at(-1))} to ${number(ahead.q[4].at(-1))}, ${stamp(ahead.t.at(-1) / 1000).slice(5, 16)}`)));
  }
  const golden = goldenStanding(course);
  if (golden) {
    figures.push(el("button", { type: "button", class: `figure-box${old ? " old" : ""}`, "data-figure": "golden", onclick: () => find("golden-point").focus() },
      el("span", { class: "what" }, old ? "Golden batch, when last heard" : "Golden batch"), el("span", { class: "big" }, sign(golden.out ? "bad" : "good", golden.word)), el("span", { class: "range" }, golden.range)));
  }
  put(find("figures"), figures);
}

/** Say which panels there are, and with what; `spec` is the same as long as tags and quantities are. */
function plan() {
  const quantities = course.estimates.quantities;
  const tags = Object.keys(course.channels);
  const plans = [
    { name: "biomass", title: "Biomass", unit: quantities.biomass?.unit ?? course.channels.biomass?.unit, tag: "biomass", quantity: "biomass", height: 330, wide: true, named: true },
    { name: "growth_rate", title: "Specific growth rate", unit: quantities.growth_rate?.unit ?? "/h", quantity: "growth_rate", height: 210, wide: false },
    { name: "innovations", title: "Innovation of the filter (NIS)", unit: "", surprises: true, height: 210, wide: false, level: SURPRISE, pointWord: "NIS" },
  ];
  for (const tag of tags) if (tag !== "biomass") plans.push({ name: tag, title: quantityName(tag), unit: course.channels[tag].unit, tag, quantity: quantities[tag]?.unit === course.channels[tag].unit ? tag : modelled(quantities, tag, course.channels[tag].unit), height: 150 });
  const drawn = new Set(plans.map((one) => one.quantity));
  for (const name of Object.keys(quantities)) {
    if (!drawn.has(name) && !(name in course.channels)) plans.push({ name: `state-${name}`, title: titleOf(name), unit: quantities[name].unit, tag: assayed(course.facts, name, quantities[name].unit), quantity: name, height: 150 });
  }
  for (const one of plans) {
    const most = [...(quantities[one.quantity]?.high ?? []), ...(course.channels[one.tag]?.good?.value ?? [])].reduce((a, b) => Math.max(a, b ?? 0), 0);
    const { factor, unit: name } = scaleFor(one.unit, most);
    one.factor = factor;
    one.unit = name;
  }
  return plans;
}

function viewOf(one) {
  const live = isLive();
  const { from, to } = spanOf();
  return Course.scaled({
    estimate: one.quantity ? course.estimateOf(one.quantity) : null,
    forecast: one.quantity ? course.forecastOf(one.quantity) : null,
    points: one.surprises ? course.surprises() : one.tag ? course.pointsOf(one.tag) : [],
    ended: live && twin.ended, phases: course.phases(), facts: course.facts, moment: live ? course.last() : travel.moment().at ?? course.last(), live,
    after: travel.moment().at, start: from, end: to, origin: course.origin(), level: one.level || null,
  }, one.factor);
}

function showCharts() {
  if (!course) {
    for (const panel of panels) panel.destroy();
    panels = [];
    layout = "";
    put(find("charts"));
    return;
  }
  const plans = plan();
  const views = plans.map(viewOf);
  const legends = plans.map((one, i) => legendOf(one, views[i]));
  const wanted = JSON.stringify([plans.map((one, i) => [one.name, one.quantity, one.factor, Boolean(views[i].estimate), Boolean(views[i].forecast)]), legends, chosen(), range]);
  if (wanted === layout) {
    panels.forEach((panel, i) => panel.update(views[i]));
    return;
  }
  layout = wanted;
  for (const panel of panels) panel.destroy();
  panels = plans.map((one, i) => makePanel({ ...one, legend: legends[i], rows: () => rowsOf(one) }, views[i], { name: unit.key, shared: "unit", pick, zoom: one.wide ? zoomTimeline : null }));
  put(find("charts"), panels.map((panel) => panel.root));
  for (const panel of panels) panel.draw();
}

function legendOf(one, view) {
  if (one.surprises) return [["ring", "accepted"], ["x", "refused by the gate"], ["diamond", "reopened"]];
  const legend = [];
  if (one.tag && view.points.some((point) => point.look !== "assay")) legend.push(["ring", "measured"]);
  if (view.points.some((point) => point.look === "assay")) legend.push(["square", "assay"]);
  if (view.points.some((point) => point.look === "bad")) legend.push(["x", "set aside"]);
  if (view.estimate) legend.push(["line", "estimate, 90 %"]);
  if (view.forecast) legend.push(["dash", twin.ended ? `forecast made ${stamp(Date.parse(course.forecast.event_time)).slice(5, 16)}, 50 and 90 %` : `forecast, 50 and 90 %${noted(one)}`]);
  if (one.named && course.facts.some((fact) => fact.type.endsWith(".feed_added"))) legend.push(["up", "feed"]);
  if (one.named && course.facts.some((fact) => fact.type.endsWith(".sample_drawn"))) legend.push(["diamond-soft", "sample"]);
  return legend;
}

/** The widest chart says all of a forecast's lane and health, the others what is wrong. */
function noted(one) {
  const { forecast } = course;
  const { data } = twin.estimate;
  const note = one.wide ? forecastNote(forecast, data) : forecastWarning(forecast, data, one.quantity?.startsWith("process."));
  return note ? ` (${note})` : "";
}

function rowsOf(one) {
  const view = viewOf(one);
  const rows = view.points.map((point) => ({
    t: point.t, what: one.surprises ? `NIS, ${point.gate}` : point.look === "assay" ? "assay" : `measured, ${point.look}`, value: point.value,
    source: point.id ?? `${course.topic}/${course.partition}/${point.offset}`, thing: { kind: "point", point },
  }));
  view.estimate?.t.forEach((t, i) => rows.push({ t, what: "estimate", value: view.estimate.mean[i], low: view.estimate.low[i], high: view.estimate.high[i], source: course.estimates.id[view.estimate.index[i]], thing: { kind: "estimate", index: view.estimate.index[i] } }));
  view.forecast?.t.forEach((t, i) => rows.push({ t, what: "forecast", value: view.forecast.q[2][i], low: view.forecast.q[0][i], high: view.forecast.q[4][i], source: course.forecast.id, thing: { kind: "forecast" } }));
  return rows.sort((a, b) => a.t - b.t);
}

/** Show where the clicked thing comes from. */
function pick(thing) {
  if (thing.kind === "forecast") return pickForecast();
  if (thing.kind === "estimate") {
    const { estimates } = course;
    const i = thing.index;
    return showLineage("An estimate", [
      ...effectRows({ id: estimates.id[i], event_time: rfc(estimates.t[i]), known_at: rfc(estimates.known_at[i]), model: estimates.model[i] }),
      ...Object.entries(estimates.quantities).map(([name, columns]) => [quantityName(name), `${number(columns.mean[i], 4)} ${unitName(columns.unit)} (90 %: ${number(columns.low[i], 4)} to ${number(columns.high[i], 4)})`]),
      ["Revised", estimates.revised[i] ? "yes: a late fact changed it" : null],
    ], estimates.id[i]);
  }
  const { point } = thing;
  if (point.id) {
    return showLineage("An innovation", [["NIS", number(point.value, 4)], ["Innovation", number(point.innovation, 4)], ["Its standard deviation", number(point.sd, 4)], ["Gate", point.gate], ["Event time", rfc(point.t)], ...effectRows({ id: point.id })], point.id);
  }
  const fact = point.fact;
  return showLineage(point.look === "assay" ? "An assay" : "A measured value", [
    ["Tag", point.tag], ["Value", `${point.value} ${point.unit}`], ["Quality", fact ? null : point.look], ["Event time", rfc(point.t)],
    ["Record", `${course.topic} / partition ${course.partition} / offset ${point.offset}`],
    ["Sample", fact?.data.sample], ["Recorded", fact?.record_time], ["Known to the log", fact?.known_at], ["Event", fact ? `${fact.source}, ${fact.id}` : null],
  ]);
}

function pickForecast() {
  const effect = course.forecast;
  showLineage("A forecast", [...effectRows(effect), ["Quantiles", effect.data.quantiles.map((q) => `${q * 100} %`).join(", ")], ["Reaches to", effect.data.at.at(-1)]], effect.id);
}

function pickEstimate(effect) {
  showLineage("The present estimate", [...effectRows(effect), ["Records folded into it", `${effect.data.records.count}, offsets ${effect.data.records.first} to ${effect.data.records.last}`], ["Gate", effect.data.filter.gate]], effect.id);
}

function showAlerts(alerts) {
  const open = alerts.filter((alert) => alert.open).length;
  setText(find("alerts-title"), `Alerts: ${open} open`);
  const onLineage = (effect) => showLineage("An alert", [["Says", effect.data.message], ["Rule", effect.data.rule], ["Value", effect.data.value === null ? null : `${number(effect.data.value, 4)} ${effect.data.unit}`], ["Filters", effect.data.filter ? (effect.data.filter.consistent ? "consistent with what is measured" : "not consistent with what is measured") : null], ["Limit", effect.data.limit === null ? null : `${number(effect.data.limit, 4)} ${effect.data.unit}`], ...effectRows(effect)], effect.id);
  put(find("alerts"), alerts.length ? el("ul", { class: "alert-list" }, alerts.map((alert) => unitAlert(alert, onLineage))) : el("p", { class: "empty" }, isLive() ? "No alert in this record." : "No alert by then."));
}

function showFacts() {
  const { at } = travel.moment();
  const lines = grouped(course ? course.facts : []).reverse();
  const later = at === null ? 0 : lines.filter((line) => line.first.t > at).length;
  put(find("facts"), lines.length ? el("ol", { class: "log" }, lines.map((line, i) => el("li", { class: i < later ? "later" : null },
    i === later && later ? el("p", { class: "divider" }, "above: after the moment shown") : null,
    el("button", { type: "button", onclick: () => pickFact(line.last) },
      el("time", {}, stamp(line.last.t / 1000).slice(5, 16)), el("span", {}, factWord(line.last.type), line.count > 1 ? ` ×${line.count}` : ""),
      el("span", { class: "muted" }, line.count > 1 ? `${number(line.sum)} ${line.last.data.volume.unit} since ${stamp(line.first.t / 1000).slice(11, 16)}` : factSays(line.last.data))))))
    : el("p", { class: "empty" }, "No events in this window."));
}

/** Feeds that follow each other are one line with their sum: there may be hundreds. */
function grouped(facts) {
  const lines = [];
  const { at } = travel.moment();
  for (const fact of facts) {
    const before = lines.at(-1);
    const split = at !== null && before && before.last.t <= at && fact.t > at;
    if (before && !split && fact.type.endsWith(".feed_added") && before.last.type === fact.type && before.last.data.volume.unit === fact.data.volume.unit && before.last.data.feed === fact.data.feed) {
      before.last = fact;
      before.count += 1;
      before.sum += fact.data.volume.value;
    } else lines.push({ first: fact, last: fact, count: 1, sum: fact.data.volume?.value });
  }
  return lines;
}

function pickFact(fact) {
  showLineage(factWord(fact.type), [["Type", fact.type], ["Event time", fact.event_time], ["Recorded", fact.record_time], ["Known to the log", fact.known_at], ["Record", `${fact.topic} / partition ${fact.partition} / offset ${fact.offset}`], ["Source", fact.source], ["Event", fact.id], ["Data", JSON.stringify(fact.data)]]);
}

function factSays(data) {
  if (data.value !== undefined) return `${data.tag} ${number(data.value, 4)} ${unitName(data.unit)}`;
  if (data.volume) return `${number(data.volume.value)} ${data.volume.unit}${data.sample ? `, ${data.sample}` : ""}`;
  return data.phase || data.batch || data.sample || "";
}

function goOn() {
  if (stop) return;
  stop = follow({ key: [unit.key], twin: unit.kind }, twin.stream, {
    state: (word, detail) => top.connection(word, detail),
    notice: (notice) => (notice.notice === "source" ? showTrouble(notice.trouble ? { title: "No new data", message: notice.trouble } : null) : load()),
    effect: take,
  });
}

function take(kind, effect) {
  if (kind === "alert") {
    const urgent = ["critical", "high"].includes(effect.data.priority);
    if (effect.data.action === "raise") say(`New alert. ${effect.key}: ${effect.data.message}`, urgent);
    load();
    return;
  }
  if (!isLive()) return;
  if (!course) {
    load();
    return;
  }
  if (effect.data.revised || (kind === "estimate" && twin.estimate && effect.data.batch !== twin.estimate.data.batch)) {
    reload(); // a late fact changed the past, or a run began
    return;
  }
  if (kind === "forecast" && effect.lane === "advisory") return; // what is learned stands beside the twin's own
  if (kind === "forecast") course.forecast = { ...effect, known_at: new Date(now()).toISOString() };
  else if (course.take(effect)) {
    twin.estimate = { ...effect, known_at: new Date(now()).toISOString() };
    twin.stale = false;
    twin.last_known_at = new Date(now()).toISOString();
  }
  dirty = true;
}

function reload() {
  clearTimeout(reloading);
  reloading = setTimeout(load, SETTLE_MS);
}

function redraw() {
  if (!dirty || !course || !isLive()) return;
  dirty = false;
  const held = document.activeElement?.dataset?.figure;
  showFigures();
  showBeliefs();
  if (held) document.querySelector(`[data-figure="${CSS.escape(held)}"]`)?.focus();
  const dd = document.querySelectorAll(".facts-row dd");
  if (dd.length >= 6) {
    setText(dd[1], twin.estimate.data.phase ?? "none");
    setText(dd[2], twin.estimate.data.hours?.toFixed(2) ?? "–");
    setText(dd[4], stamp(Date.parse(twin.estimate.event_time)));
    setText(dd[5], stamp(Date.parse(twin.last_known_at)));
  }
  showCharts();
}

function changeMoment(moment) {
  const query = new URLSearchParams({ kind: unit.kind, key: unit.key });
  if (moment.at !== null) query.set("at", rfc(moment.at));
  if (moment.known !== null) query.set("known_at", rfc(moment.known));
  history.replaceState(null, "", `${location.pathname}?${query}`);
  say(isLive() ? "Live" : `As of ${travel.words()}`);
  load();
}

function momentOf(query) {
  const read = (name) => {
    const us = query.get(name) ? microseconds(query.get(name)) : null;
    return Number.isFinite(us) ? us : null;
  };
  return { at: read("at"), known: read("known_at") };
}

function ends(pairOf) {
  return pairOf ? pairOf.map(microseconds) : null;
}

let wide = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === wide) return;
  wide = window.innerWidth;
  for (const panel of panels) panel.resize();
  resizeGolden();
  resizeTimeline();
  resizeRequests();
});
let themeBefore = null;
window.addEventListener("beforeprint", () => {
  themeBefore = chosen().theme;
  choose("theme", "light");
});
window.addEventListener("afterprint", () => choose("theme", themeBefore));
onChoice(() => {
  layout = "";
  if (twin) load();
  if (course) {
    showBeliefs();
    showCharts();
    showTimelineHere();
  }
});
setInterval(redraw, DRAW_MS);
setInterval(() => { if (isLive() && !document.hidden) load(); }, RELOAD_MS);
if (unit.key) load();
else showTrouble({ title: "No unit named", message: "open this page from the list of all units" });
