/** How far filters, probes and forecast can be trusted: one table, each judgement as a shape and a word. */

import { el, find, put } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number, quantityName, unitName } from "./states.js";
import { stamp } from "./times.js";

const GATES = {
  accepted: ["good", "accepted"], rejected: ["bad", "refused"], reopened: ["watch", "reopened: the belief began anew"], none: ["none", "nothing to judge"],
};

/** Show the health of an estimate effect and of the forecast beside it; of a run that has `ended` the forecast is an earlier one. */
export function showHealth(estimate, forecast, ended) {
  find("health").hidden = !estimate;
  if (!estimate) return;
  const { data } = estimate;
  const sensed = Object.keys(data.sensors ?? {}).length > 0;
  const heads = ["Channel", "Judgement", ["NIS", "n"], ["Innovation (sd)", "n"], "Refused in a row", "Gate", "Probe", ...(sensed ? ["Sensor"] : [])];
  put(find("health-body"), scrolling("Filters and probes", tableOf("What the filters make of each channel", heads, rowsOf(data).map((row) => (sensed ? row : row.slice(0, -1))))),
    data.reconciled ? reconciled(data.reconciled) : null,
    el("p", { class: "muted" }, "NIS: the squared innovation over what was expected of it; about 1 on average where the model is right, and a single one under 3.84 in 95 of 100."),
    el("p", {}, el("span", { class: "muted" }, `As of ${stamp(Date.parse(estimate.event_time))}. `), el("button", { type: "button", class: "small", onclick: () => showLineage("Health of filters and probes", effectRows(estimate), estimate.id) }, "Where from")),
    forecastSays(forecast, ended ? null : data));
}

function rowsOf(data) {
  const { filter, process, sensors = {} } = data;
  const told = new Set();
  const sensorOf = (tag) => {
    told.add(tag);
    return sensorSays(sensors[tag]);
  };
  const rows = [["Growth filter: biomass signal", judged(filter.consistent, false), number(filter.nis), surprise(filter), refused(filter.rejected_run), gate(filter.gate), probe(data.state), sensorOf("biomass")]];
  for (const [name, one] of Object.entries(process?.channels ?? {})) {
    rows.push([`${process.model}: ${quantityName(name)}`, one.innovation_sd > 0 ? judged(one.consistent, one.overcautious) : sign("none", "not measured yet"), one.innovation_sd > 0 ? `${number(one.nis_mean)} mean` : "–", surprise(one), refused(one.rejected_run), one.gate ? gate(one.gate) : "–", "–", told.has(name) ? "as above" : sensorOf(name)]);
  }
  for (const tag of Object.keys(sensors)) if (!told.has(tag)) rows.push([`Sensor: ${quantityName(tag)}`, "–", "–", "–", "–", "–", "–", sensorOf(tag)]);
  return rows;
}

function judged(consistent, overcautious) {
  if (consistent === null || consistent === undefined) return sign("none", "not judged");
  if (!consistent) return sign("bad", "not consistent");
  return overcautious ? sign("watch", "consistent, overcautious") : sign("good", "consistent");
}

function surprise({ innovation, innovation_sd: sd }) {
  return innovation === null || innovation === undefined ? "–" : `${number(innovation)} (${number(sd, 2)})`;
}

function refused(run) {
  return run ? sign("bad", String(run)) : "0";
}

function gate(word) {
  return sign(...(GATES[word] ?? ["none", word]));
}

/** What is believed of the probe: signal per biomass, and its offset where one is estimated. */
function probe(state) {
  const said = [["sensor_gain", "gain"], ["sensor_offset", "offset"]].filter(([name]) => state[name]).map(([name, word]) => `${word} ${number(state[name].mean)} (sd ${number(state[name].sd, 2)})`);
  return said.length ? said.join(", ") : "–";
}

/** A sensor's verdict, where estimates carry one: {trusted, kind, since, other, spikes}; `other` may be at fault instead. */
function sensorSays(sensor) {
  if (!sensor) return "–";
  const more = [sensor.kind?.replaceAll("_", " "), sensor.other ? `or it is ${quantityName(sensor.other)}` : null, sensor.since ? `since ${stamp(Date.parse(sensor.since))}` : null, sensor.spikes ? `${sensor.spikes} spikes` : null].filter(Boolean).join(", ");
  return [sign(sensor.trusted === false ? "bad" : "good", sensor.trusted === false ? "not trusted" : "trusted"), more ? ` ${more}` : ""];
}

/** Show probes against the laboratory: what they read, what that is without their offset, and whether pH and pCO2 agree with bicarbonate. */
function reconciled({ probes, bicarbonate: balance }) {
  const doubtful = (one) => (one ? `${number(one.mean)} (sd ${number(one.sd, 2)})` : "–");
  const when = (text) => (text ? stamp(Date.parse(text)) : "never");
  const rows = Object.entries(probes).map(([tag, one]) => [quantityName(tag), one.probe === null ? "–" : number(one.probe), doubtful(one.reconciled), doubtful(one.offset), unitName(one.unit), one.assay === null ? "–" : `${number(one.assay)}, ${when(one.assay_time)}`, when(one.reconciled_at), refused(one.refused_run)]);
  return [
    scrolling("Probes held against the laboratory", tableOf("Probes held against the laboratory", ["Probe", ["Reads", "n"], ["Reconciled", "n"], ["Offset", "n"], "Unit", "Newest assay", "Reconciled at", "Refused in a row"], rows)),
    balance ? el("p", {}, sign(balance.consistent ? "good" : "bad", balance.consistent ? "pH, pCO2 and bicarbonate agree" : "pH, pCO2 and bicarbonate do not agree"),
      el("span", { class: "muted" }, ` sample of ${when(balance.at)}: pH ${number(balance.ph, 4)}, called for ${number(balance.ph_expected, 4)} (sd of the difference ${number(balance.difference_sd, 2)})`)) : null,
  ];
}

/** Say of a forecast what a person must know even in a small place: that filters are not consistent, and its verdict. */
export function forecastWarning(forecast, data, modelled) {
  return [data && !isWell(data) ? "filters not consistent" : "", modelled ? verdictOf(forecast) : ""].filter(Boolean).join(", ");
}

/** Say of a forecast its lane, whether the filters are consistent (`data`, of the estimate beside it; null: not known), and its verdict where it carries one. */
export function forecastNote(forecast, data) {
  const filters = data ? `filters ${isWell(data) ? "consistent" : "not consistent"}` : "";
  return [forecast.lane, filters, verdictOf(forecast)].filter(Boolean).join(", ");
}

function isWell(data) {
  return data.filter.consistent !== false && Object.values(data.process?.channels ?? {}).every((one) => one.consistent);
}

function verdictOf(forecast) {
  const said = forecast.data.process?.verdict ?? forecast.data.verdict;
  if (said === null || said === undefined) return "";
  if (typeof said !== "object") return String(said).replaceAll("_", " ");
  return Object.entries(said).filter(([, value]) => value !== null && typeof value !== "object").map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "number" ? number(value) : value}`).join(", ");
}

function forecastSays(forecast, data) {
  if (!forecast) return el("p", { class: "muted" }, "No forecast by then.");
  return el("p", {}, "Forecast: ", sign(data === null ? "none" : isWell(data) ? "good" : "bad", forecastNote(forecast, data)), el("span", { class: "muted" }, ` made ${stamp(Date.parse(forecast.event_time))}, to ${stamp(Date.parse(forecast.data.at.at(-1)))} `),
    el("button", { type: "button", class: "small", onclick: () => showLineage("A forecast", effectRows(forecast), forecast.id) }, "Where from"));
}
