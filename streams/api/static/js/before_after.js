/** What a re-estimation found, beside what the twin believed and expected when it was asked; and its adoption by a person. */

import { makeChart } from "./chart.js";
import { decide } from "./decide.js";
import { el, put, setText } from "./dom.js";
import { say } from "./frame.js";
import { jobLink, jobPath } from "./job_words.js";
import { get, post } from "./net.js";
import { titleOf, valuesOf } from "./process.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number, quantityName, unitName } from "./states.js";
import { microseconds, stamp } from "./times.js";

const Z90 = 1.6448536; // of a normal distribution, 5 to 95 %
const HEIGHT = 260;
const BANDS = ["q05", "q25", "q50", "q75", "q95"];

/** Load what `show` needs of an answered job: the job whole, and what the twin said as of the request. */
export async function loadComparison(id) {
  const job = await get(jobPath(id));
  const twin = `twins/${encodeURIComponent(job.twin_kind)}/${encodeURIComponent(job.twin_key)}`;
  const at = job.event_time;
  const [then, forecasts] = await Promise.all([get(twin, { at }), get("forecasts", { kind: job.twin_kind, key: job.twin_key, at, limit: 1 })]);
  return { job, then, forecast: forecasts.items[0] || null };
}

/** Give the section; `adopted` is called after a person adopted, `state` keeps the chosen quantity between drawings. */
export function comparison({ job, then, forecast }, { adopted, state }) {
  const { summary } = job.result;
  const names = quantitiesOf(summary, forecast);
  return el("section", { class: "compare", "aria-labelledby": "compare-title", "data-job": job.id },
    el("h3", { id: "compare-title" }, "Before and after: what the re-estimation found"),
    el("p", { class: "muted" }, `Asked ${stamp(Date.parse(job.event_time))} because of ${job.reasons.join("; ")}. `, el("a", { href: jobLink(job.id) }, `Job ${job.id}`)),
    el("p", {}, verdict(summary), " ", changeSays(summary.change)),
    summary.parameters ? parameters(summary.parameters, then.estimate?.data.process?.parameters || {}) : null,
    names.length ? chartOf(names, { job, summary, forecast }, state) : null,
    adoption(job, adopted));
}

function verdict(summary) {
  if (!summary.verdict) return summary.verdict === undefined ? null : sign("good", "Nothing speaks against it.");
  return sign("watch", `Doubtful: ${summary.verdict}.`);
}

function changeSays(change) {
  if (!change) return null;
  const range = (one) => `${number(one.q50)} (90 %: ${number(one.q05)} to ${number(one.q95)})`;
  const likely = `A change within the run has a probability of ${number(change.probability * 100)} %`;
  return change.hour && change.factor ? `${likely}; if so, at hour ${range(change.hour)}, by a factor of ${range(change.factor)}.` : `${likely}.`;
}

function parameters(found, believed) {
  const range = (low, high) => `${number(low)} to ${number(high)}`;
  const spread = (median, sd) => [number(median), range(median * Math.exp(-Z90 * sd), median * Math.exp(Z90 * sd))];
  const rows = Object.entries(found).map(([name, one]) => {
    const before = believed[name];
    const [value, interval] = spread(one.median, one.sd_log);
    const shift = before ? (100 * (one.median - before.value)) / before.value : null;
    const outside = before && (one.median < before.low || one.median > before.high);
    return [name, one.prior_median === undefined ? "–" : spread(one.prior_median, one.prior_sd_log).join(" (").concat(")"), before ? `${number(before.value)} (${range(before.low, before.high)})` : "not estimated",
      el("b", {}, value), interval, one.seen === false ? "not seen: its prior" : shift === null ? "–" : outside ? sign("watch", `${signed(shift)} %`) : `${signed(shift)} %`, unitName(before?.unit ?? "")];
  });
  return scrolling("Parameters before and after", tableOf("Medians with 90 % intervals: as the question gave them, as the twin believed them then, as they were re-estimated", ["Parameter", "Question", "Believed before", ["Re-estimated", "n"], "90 %", ["Against before", "n"], "Unit"], rows));
}

function signed(value) {
  return `${value > 0 ? "+" : ""}${number(value, 2)}`;
}

/** Name what the answer says of the hours ahead; first what the twin forecast too. */
function quantitiesOf(summary, forecast) {
  const names = Object.keys(summary.trajectory?.quantities || {});
  const known = (name) => (ownName(forecast, name) ? 0 : 1);
  return names.sort((a, b) => known(a) - known(b));
}

function ownName(forecast, name) {
  return [`process.${name}`, name].find((one) => valuesOf(forecast, one)) ?? null;
}

function chartOf(names, context, state) {
  const box = el("div", { class: "plot", role: "img", "aria-labelledby": "compare-says" });
  const says = el("p", { class: "readout", id: "compare-says" });
  const table = el("div", {});
  const select = el("select", { id: "compare-quantity", onchange: () => { state.quantity = select.value; draw(); } }, names.map((name) => el("option", { value: name }, quantityName(name))));
  if (names.includes(state.quantity)) select.value = state.quantity;
  function draw() {
    const view = viewOf(select.value, context);
    state.chart?.destroy();
    state.chart = makeChart(box, view, { height: HEIGHT, shared: "compare", named: false, on: { cursor: () => {}, pick: () => {} } });
    setText(says, summaryOf(view));
    put(table, tableFor(view));
  }
  requestAnimationFrame(() => { if (box.isConnected) draw(); }); // it is drawn as wide as it then stands
  return el("div", {},
    el("div", { class: "panel-head" }, el("label", { class: "field" }, el("span", {}, "Expected course of"), select),
      el("ul", { class: "legend" }, [["dash", "before: the twin's forecast when it asked, 50 and 90 %"], ["line", "after: re-estimated, advisory, 90 %"]].map(([look, word]) => el("li", {}, el("i", { class: `key ${look}`, "aria-hidden": "true" }), word)))),
    says, box, table);
}

function viewOf(name, { job, summary, forecast }) {
  const { hours, quantities } = summary.trajectory;
  const found = quantities[name];
  const from = microseconds(job.event_time);
  const t = hours.map((hour) => from + Math.round(hour * 3.6e9));
  const own = ownName(forecast, name);
  const values = own ? valuesOf(forecast, own) : null;
  const before = values?.length && values[0].length === BANDS.length ? { t: forecast.data.at.map(microseconds), q: BANDS.map((_, j) => values.map((row) => row[j])) } : null;
  const end = Math.max(t.at(-1), before ? Math.min(before.t.at(-1), t.at(-1)) : 0);
  return { name, unit: found.unit, hours, estimate: { t, mean: found.q50, low: found.q05, high: found.q95, index: t.map((_, i) => i) }, forecast: before, points: [], phases: [], facts: [], moment: from, live: false, after: null, start: from, end, origin: from, level: null };
}

/** Compare at the last moment that both speak of. */
function summaryOf({ name, unit, estimate, forecast }) {
  const write = (low, mid, high) => `${number(mid)} ${unitName(unit)} (90 %: ${number(low)} to ${number(high)})`;
  const last = forecast ? Math.min(estimate.t.at(-1), forecast.t.at(-1)) : estimate.t.at(-1);
  const i = nearest(estimate.t, last);
  const after = `after ${write(estimate.low[i], estimate.mean[i], estimate.high[i])}`;
  const at = `${titleOf(name)} at ${stamp(last / 1000)}:`;
  if (!forecast) return `${at} ${after}; the twin had no forecast of it`;
  const j = nearest(forecast.t, last);
  return `${at} before ${write(forecast.q[0][j], forecast.q[2][j], forecast.q[4][j])}, ${after}`;
}

function nearest(times, t) {
  return times.reduce((best, one, i) => (Math.abs(one - t) < Math.abs(times[best] - t) ? i : best), 0);
}

function tableFor({ estimate, forecast, hours }) {
  const rows = estimate.t.map((t, i) => {
    const j = forecast ? nearest(forecast.t, t) : null;
    const there = j !== null && Math.abs(forecast.t[j] - t) <= 3.6e9 / 2;
    return [number(hours[i]), there ? `${number(forecast.q[2][j])} (${number(forecast.q[0][j])} to ${number(forecast.q[4][j])})` : "–", `${number(estimate.mean[i])} (${number(estimate.low[i])} to ${number(estimate.high[i])})`];
  });
  return el("details", {}, el("summary", {}, "As a table"), scrolling("Expected course, before and after", tableOf("Median and 90 %; before where it was forecast within half an hour of that moment", ["Hours ahead", "Before", "After"], rows)));
}

function adoption(job, adopted) {
  const { allowed, why, adopted: taken } = job.adoption;
  const act = async () => {
    const done = await decide({
      title: "Adopt this re-estimation?", action: "Adopt it",
      says: [
        `From now on (in a replayed run: from its newest moment on) the qualified lane of ${job.twin_key} believes these parameters, with the doubt that the re-estimation left of them. Its states go on from where they are; its forecasts, limits and advice follow the new parameters.`,
        "It is a fact of the run like any other: kept in the log with who and why, and computed the same by every replay. It is not undone, but a later re-estimation can be adopted in its place. The twin refuses it if the run has moved on meanwhile.",
      ],
      act: (told) => post(`twins/${encodeURIComponent(job.twin_kind)}/${encodeURIComponent(job.twin_key)}/adopt`, { job: job.id, ...told }),
    });
    if (!done) return;
    say("Adopted; the twin takes it over with its next estimate");
    adopted();
  };
  return el("p", { class: "adopt" }, el("span", { class: "tag-advisory" }, "advisory: a person decides"), " ",
    el("button", { type: "button", disabled: !allowed, "aria-describedby": allowed ? null : "adopt-why", onclick: act }, "Adopt…"), " ",
    allowed ? null : el("span", { id: "adopt-why" }, taken ? sign("good", why) : `Cannot be adopted: ${why}`));
}
