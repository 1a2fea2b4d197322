/** The golden batch on the page of a unit: how far the run stands from good ones, along the run, and which tags that comes from. */

import { toCsv, download } from "./csv.js";
import { el, find, put, setText } from "./dom.js";
import { makeScoreChart } from "./golden_chart.js";
import { effectRows, showLineage } from "./lineage.js";
import { bar, scrolling, sign, tableOf } from "./signs.js";
import { number, quantityName } from "./states.js";
import { rfc, stamp } from "./times.js";

const HOUR_US = 3.6e9;
const MOST_ROWS = 250;
const STATISTICS = [
  { of: "t2", name: "T2", title: "T2: distance from the middle of the good runs (log scale)", far: "The run is further from the middle of the good runs than they are." },
  { of: "spe", name: "SPE", title: "SPE: what goes together as in no good run (log scale)", far: "Tags of the run do not go together as they do in the good runs." },
];

const shown = { golden: null, origin: 0, name: "", axis: "hours", chosen: null, live: true, table: false, charts: [], built: "" };

/** Tell whether a score is beyond its limit; null where nothing is known. */
export function beyond(golden, of, i) {
  const value = golden[of][i];
  const limit = golden[`${of}_limit`][i];
  return value === null || value === undefined || !(limit > 0) ? null : value > limit;
}

/** Show the scores of a course. `configured`: whether the newest estimate speaks of a golden model at all. */
export function showGolden(course, { name, live, configured }) {
  const { golden, origin } = course?.scores() ?? { golden: null, origin: 0 };
  const count = golden?.t.length ?? 0;
  find("golden").hidden = !count && !configured;
  Object.assign(shown, { golden, origin, name, live });
  if (!count) {
    forget();
    if (configured) put(find("golden-body"), el("p", { class: "empty" }, el("strong", {}, "No score yet"), "One comes when the run reaches the first point of the golden model's grid, with every tag it knows."));
    return;
  }
  if (golden.maturity.every((one) => one === null)) shown.axis = "hours";
  const wanted = JSON.stringify([name, shown.axis, document.documentElement.dataset.theme]);
  if (wanted !== shown.built) build();
  shown.built = wanted;
  update();
}

/** Say in few words how the newest score stands, for the figures above: {out, word, range}; null without one. */
export function goldenStanding(course) {
  const golden = course?.scores().golden;
  const i = (golden?.t.length ?? 0) - 1;
  if (i < 0) return null;
  const out = STATISTICS.filter(({ of }) => beyond(golden, of, i));
  const said = out.length ? out : STATISTICS.filter(({ of }) => beyond(golden, of, i) !== null);
  return { out: out.length > 0, word: out.length ? "Beyond limits" : "Within limits", range: said.map(({ of, name }) => `${name} ${number(golden[of][i])}, limit ${number(golden[`${of}_limit`][i])}`).join("; ") };
}

/** Fit the charts to a new width. */
export function resizeGolden() {
  for (const chart of shown.charts) chart.resize();
}

function forget() {
  for (const chart of shown.charts) chart.destroy();
  Object.assign(shown, { charts: [], built: "", chosen: null });
}

function build() {
  const { chosen } = shown;
  forget();
  shown.chosen = chosen;
  const boxes = STATISTICS.map(({ of }) => el("div", { class: "plot score", role: "img", "aria-labelledby": `golden-${of}-title golden-standing` }));
  const range = el("input", { type: "range", id: "golden-point", min: 0, step: 1, oninput: (event) => choose(Number(event.target.value)) });
  put(find("golden-body"),
    el("div", { class: "standing", id: "golden-standing" }),
    el("div", { class: "golden-tools" }, axisSwitch(),
      el("ul", { class: "legend" }, [["ring", "within its limit"], ["x", "beyond its limit"], ["limit", "limit of the good runs"]].map(([look, word]) => el("li", {}, el("i", { class: `key ${look}`, "aria-hidden": "true" }), word))),
      el("span", { class: "spring" }),
      el("button", { type: "button", class: "small", id: "golden-table-toggle", "aria-expanded": String(shown.table), onclick: () => { shown.table = !shown.table; update(); } }, "Table"),
      el("button", { type: "button", class: "small", "aria-label": "Golden batch as CSV", onclick: () => download(`${shown.name}-golden.csv`, toCsv(rows())) }, "CSV")),
    el("div", { class: "scores" }, STATISTICS.map(({ of, title }, i) => el("div", {}, el("h3", { id: `golden-${of}-title` }, title), boxes[i]))),
    el("div", { class: "axis golden-axis" }, el("label", { for: "golden-point" }, "Point of the run"), range, el("output", { for: "golden-point", id: "golden-says" })),
    el("div", { class: "contributions", id: "golden-parts" }),
    el("div", { id: "golden-table" }));
  shown.charts = STATISTICS.map(({ of }, i) => makeScoreChart(boxes[i], scoreView(of), { pick: choose, axis: shown.axis }));
}

function axisSwitch() {
  return el("fieldset", { class: "switch" }, el("legend", { class: "unseen" }, "Along"), [["hours", "Hours"], ["maturity", "Maturity"]].map(([value, word]) => {
    const input = el("input", { type: "radio", name: "golden-axis", value, onchange: () => { shown.axis = value; build(); update(); } });
    input.checked = shown.axis === value;
    input.disabled = value === "maturity" && shown.golden.maturity.every((one) => one === null);
    return el("label", {}, input, el("span", {}, word));
  }));
}

function scoreView(of) {
  const { golden } = shown;
  return {
    x: golden.t.map((_, i) => placeOf(i)), value: golden[of], limit: golden[`${of}_limit`],
    beyond: golden.t.map((_, i) => beyond(golden, of, i)), chosen: place(),
  };
}

function placeOf(i) {
  const { golden } = shown;
  return shown.axis === "maturity" ? (golden.maturity[i] === null ? null : golden.maturity[i] * 100) : hoursOf(i);
}

function hoursOf(i) {
  return (shown.golden.t[i] - shown.origin) / HOUR_US;
}

/** Where the chosen score lies in the series: the newest unless a person chose. */
function place() {
  const at = shown.chosen === null ? -1 : shown.golden.id.indexOf(shown.chosen);
  return at < 0 ? shown.golden.t.length - 1 : at;
}

function choose(i) {
  const last = shown.golden.t.length - 1;
  shown.chosen = i >= last ? null : shown.golden.id[i];
  update();
}

function update() {
  STATISTICS.forEach(({ of }, i) => shown.charts[i].update(scoreView(of)));
  const i = place();
  const range = find("golden-point");
  range.max = String(shown.golden.t.length - 1);
  range.value = String(i);
  range.setAttribute("aria-valuetext", `${whenOf(i)}. ${STATISTICS.map((one) => says(one, i)).join(". ")}`);
  setText(find("golden-says"), whenOf(i));
  showStanding();
  put(find("golden-parts"), STATISTICS.map((one) => partsOf(one, i)),
    el("p", {}, el("button", { type: "button", class: "small", id: "golden-from", onclick: () => lineage(place()) }, "Where this point comes from")));
  const toggle = find("golden-table-toggle");
  toggle.setAttribute("aria-expanded", String(shown.table));
  put(find("golden-table"), shown.table ? wholeTable() : null);
}

function showStanding() {
  const { golden } = shown;
  const last = golden.t.length - 1;
  const out = STATISTICS.filter(({ of }) => beyond(golden, of, last));
  const first = out.map(({ of }) => partsAt(of, last)[0]?.[0]).filter(Boolean);
  const when = shown.live ? "At its newest score" : "At the last score by then";
  put(find("golden-standing"),
    out.length ? sign("bad", "Beyond the limits of the good runs") : sign("good", "Among the good runs"),
    el("p", {}, `${when}, ${whenOf(last)}: ${STATISTICS.map((one) => says(one, last)).join("; ")}.`,
      out.length ? ` ${out.map((one) => one.far).join(" ")} Look first at ${[...new Set(first)].map(quantityName).join(" and ")}.` : ""),
    el("p", { class: "muted" }, `Model ${golden.model[last]}; limits are that model's at the same point of a run.`));
}

function says({ of, name }, i) {
  const { golden } = shown;
  const out = beyond(golden, of, i);
  if (out === null) return `${name} not known there`;
  return `${name} ${number(golden[of][i])}, ${out ? "beyond" : "within"} its limit of ${number(golden[`${of}_limit`][i])}`;
}

function whenOf(i) {
  const { golden } = shown;
  const maturity = golden.maturity[i] === null ? "" : `, maturity ${number(golden.maturity[i] * 100)} %`;
  return `hour ${hoursOf(i).toFixed(2)} of the batch${maturity}, ${stamp(golden.t[i] / 1000)}`;
}

/** Give a statistic's contributions as [tag, value], the largest first: an effect has its keys in the order of names. */
function partsAt(of, i) {
  return Object.entries(shown.golden[`${of}_contributions`][i] ?? {}).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

/** Which tags a statistic comes from at a point, as bars that are a table too. */
function partsOf(one, i) {
  const { golden } = shown;
  const parts = partsAt(one.of, i);
  const caption = [el("strong", {}, `${one.name} by tag`), " ", beyond(golden, one.of, i) === null ? sign("none", "not known there") : beyond(golden, one.of, i) ? sign("bad", "beyond") : sign("good", "within")];
  if (!parts.length || beyond(golden, one.of, i) === null) return el("div", {}, el("p", {}, caption), el("p", { class: "muted" }, "No contributions were said at this point."));
  const most = Math.max(...parts.map(([, value]) => Math.abs(value)));
  const both = parts.some(([, value]) => value < 0);
  const found = tableOf(caption, ["Tag", ["Contribution", "n"], "Share of the largest"], parts.map(([tag, value]) => [quantityName(tag), number(value), bar(most ? value / most : 0, both)]));
  found.dataset.parts = one.of;
  return found;
}

function wholeTable() {
  const { golden } = shown;
  const order = golden.t.map((_, i) => i).reverse().slice(0, MOST_ROWS);
  const cell = (of, i) => (beyond(golden, of, i) === null ? sign("none", "not known") : beyond(golden, of, i) ? sign("bad", "beyond") : sign("good", "within"));
  return scrolling("Golden scores, as a table", tableOf(
    golden.t.length > order.length ? `The last ${order.length} of ${golden.t.length}; the CSV has all that the charts show.` : `${golden.t.length} scores`,
    ["Time", ["Hour", "n"], ["Maturity [%]", "n"], ["T2", "n"], ["Limit", "n"], "T2 is", ["SPE", "n"], ["Limit", "n"], "SPE is", "From"],
    order.map((i) => [stamp(golden.t[i] / 1000), hoursOf(i).toFixed(2), golden.maturity[i] === null ? "–" : number(golden.maturity[i] * 100), number(golden.t2[i]), number(golden.t2_limit[i]), cell("t2", i),
      number(golden.spe[i]), number(golden.spe_limit[i]), cell("spe", i), el("button", { type: "button", class: "small", onclick: () => lineage(i) }, golden.id[i])])));
}

function rows() {
  const { golden } = shown;
  return golden.t.flatMap((t, i) => STATISTICS.map(({ of, name }) => ({ t, what: `${name} with its limit`, value: golden[of][i], high: golden[`${of}_limit`][i], source: golden.id[i] })));
}

function lineage(i) {
  const { golden } = shown;
  const parts = (of) => partsAt(of, i).map(([tag, value]) => `${tag} ${number(value, 4)}`).join(", ");
  showLineage("A golden score", [
    ["T2", `${number(golden.t2[i], 4)}, limit ${number(golden.t2_limit[i], 4)}`], ["From", parts("t2")],
    ["SPE", golden.spe[i] === null ? "not known" : `${number(golden.spe[i], 4)}, limit ${number(golden.spe_limit[i], 4)}`], ["From", parts("spe")],
    ["Golden model", golden.model[i]], ...effectRows({ id: golden.id[i], event_time: rfc(golden.t[i]), known_at: rfc(golden.known_at[i]), lane: "qualified" }),
  ], golden.id[i]);
}
