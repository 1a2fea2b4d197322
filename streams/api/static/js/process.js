/** A process model on the page of a unit: its beliefs beside the growth filter's, its parameters, the health of its channels. */

import { el, find, put, setText } from "./dom.js";
import { number, quantityName, unitName } from "./states.js";

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

/** Show what the model has learned, and how its channels agree with it. */
export function showProcess(data) {
  const process = data?.process;
  find("process").hidden = !process;
  if (!process) return;
  setText(find("process-title"), `Process model ${process.model}`);
  put(find("process-body"), states(process), parameters(process), channels(process));
}

function states(process) {
  return table("States and outputs, mean and 90 %", ["", "mean", "from", "to", "unit"], Object.entries({ ...process.state, ...process.outputs })
    .map(([name, one]) => [quantityName(name), number(one.mean), number(one.low), number(one.high), unitName(one.unit)]));
}

function parameters(process) {
  const rows = Object.entries(process.parameters).map(([name, one]) => [name, number(one.value), number(one.low), number(one.high), unitName(one.unit), one.seen ? "seen" : "not seen: its prior"]);
  return rows.length ? table("Parameters of this run, median and 90 %", ["", "value", "from", "to", "unit", "data"], rows) : null;
}

function channels(process) {
  return table("Channels", ["", "mean NIS", "refused in a row", "health"], Object.entries(process.channels)
    .map(([name, one]) => [quantityName(name), number(one.nis_mean), String(one.rejected_run), one.consistent ? (one.overcautious ? "calmer than expected" : "consistent") : "not consistent"]));
}

function table(caption, heads, rows) {
  return el("table", { class: "model-table" }, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map(([head, ...cells]) => el("tr", {}, el("th", { scope: "row" }, head), cells.map((text) => el("td", {}, text))))));
}
