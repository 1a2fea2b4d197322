/** A process model on the page of a unit: its beliefs beside the growth filter's, and its parameters. */

import { el, find, put, setText } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { sign } from "./signs.js";
import { number, quantityName, unitName } from "./states.js";
import { stamp } from "./times.js";

const PREFIX = "process.";

/** Give every belief of an estimate as [name, belief]; those of a process model are named `process.<state>`, as the API names them. */
export function beliefsOf(data) {
  const own = Object.entries(data.state);
  const more = data.process ? Object.entries({ ...data.process.state, ...data.process.outputs }) : [];
  return [...own, ...more.map(([name, belief]) => [PREFIX + name, belief])];
}

/** Give a quantity's forecast quantiles by time, from the growth filter's or the process model's part of a forecast. */
export function valuesOf(forecast, name) {
  return name.startsWith(PREFIX) ? forecast?.data.process?.values[name.slice(PREFIX.length)] : forecast?.data.values[name];
}

/** Write a quantity as a heading, and say where it is a model's. */
export function titleOf(name) {
  return name.startsWith(PREFIX) ? `${quantityName(name.slice(PREFIX.length))} (model)` : quantityName(name);
}

/** Name the model's quantity that a tag measures, if the model has one in the same unit. */
export function modelled(quantities, tag, unit) {
  const name = PREFIX + tag;
  return quantities[name]?.unit === unit ? name : null;
}

/** Name the tag whose assays measure a model's quantity, if there are any in the same unit. */
export function assayed(facts, name, unit) {
  const tag = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
  return facts.some((fact) => fact.data.tag === tag && fact.data.unit === unit) ? tag : null;
}

/** Show what the model has learned, and what its `forecast` expects at the end of a run that has not `ended`; how its channels agree with it stands in health.js. */
export function showProcess(data, forecast, ended) {
  const process = data?.process;
  find("process").hidden = !process;
  if (!process) return;
  setText(find("process-title"), `Process model ${process.model}`);
  put(find("process-body"), states(process), parameters(process), ended ? null : endOfRun(forecast));
}

/** Show what is expected at the planned end, under the planned feed. */
function endOfRun(forecast) {
  const end = forecast?.data.process?.end_of_run;
  if (end === undefined) return null;
  if (end === null) return el("p", { class: "muted" }, "No expectation at the end of the run: no planned end was told with the batch, it has passed, or it is more than 60 days ahead.");
  const at = (q) => end.quantiles.indexOf(q);
  const cells = (values) => [number(values[at(0.5)]), number(values[0]), number(values.at(-1))];
  const share = `${number((end.quantiles.at(-1) - end.quantiles[0]) * 100)} %`;
  const rows = Object.entries(end.values).map(([name, values]) => [quantityName(name), ...cells(values), unitName(end.units[name])]);
  const used = Object.entries(end.used_up).map(([name, one]) => [quantityName(name), `${number(one.probability * 100)} %`, ...one.reached_at.map((text) => (text === null ? "not before the end" : stamp(Date.parse(text))))]);
  const quantiles = Object.values(end.used_up)[0]?.quantiles ?? [];
  return [
    el("h3", {}, `Expected at the planned end, ${stamp(Date.parse(end.at))}`),
    el("p", {}, end.verdict ? sign("watch", end.verdict) : sign("good", "the model stands by it"), el("span", { class: "muted" }, ` ${end.hours === null ? "" : `${number(end.hours)} h of culture, `}${number(end.volume)} L, fed ${number(end.feed_litres_per_hour)} L/h. `),
      el("button", { type: "button", class: "small", onclick: () => showLineage("What is expected at the end of the run", effectRows(forecast), forecast.id) }, "Where from")),
    table(`At the planned end, median and ${share}`, ["State", "median", "from", "to", "unit"], rows),
    used.length ? table("When a nutrient is used up, by probability", ["Nutrient", "before the end", ...quantiles.map((q) => `${number(q * 100, 2)} %`)], used) : null,
  ];
}

function states(process) {
  return table("States and outputs, mean and 90 %", ["State", "mean", "from", "to", "unit"], Object.entries({ ...process.state, ...process.outputs })
    .map(([name, one]) => [quantityName(name), number(one.mean), number(one.low), number(one.high), unitName(one.unit)]));
}

function parameters(process) {
  const rows = Object.entries(process.parameters).map(([name, one]) => [name, number(one.value), number(one.low), number(one.high), unitName(one.unit), one.seen ? "seen" : "not seen: its prior"]);
  return rows.length ? table("Parameters of this run, median and 90 %", ["Parameter", "value", "from", "to", "unit", "data"], rows) : null;
}

function table(caption, heads, rows) {
  return el("table", { class: "model-table" }, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map(([head, ...cells]) => el("tr", {}, el("th", { scope: "row" }, head), cells.map((text) => el("td", {}, text))))));
}
