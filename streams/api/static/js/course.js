/** A unit's course: what the API gave, shaped for the charts, and moved on by live effects. */

import { beliefsOf, valuesOf } from "./process.js";
import { microseconds } from "./times.js";

/** Hold history, forecast and facts of one window. */
export class Course {
  constructor(history, forecast) {
    this.topic = history.topic;
    this.partition = history.partition;
    this.window = history.window;
    this.channels = history.channels || {};
    this.estimates = history.estimates || { t: [], id: [], known_at: [], model: [], revised: [], quantities: {} };
    this.innovations = history.innovations || { t: [], id: [], nis: [], innovation: [], innovation_sd: [], gate: [] };
    this.facts = history.facts || [];
    this.before = history.facts_before || []; // what stood when the window began
    this.golden = history.golden || { t: [], id: [], known_at: [], hours: [], model: [], maturity: [], t2: [], t2_limit: [], t2_contributions: [], spe: [], spe_limit: [], spe_contributions: [] };
    this.forecast = forecast;
  }

  /** When the run began. */
  origin() {
    return [...this.before, ...this.facts].filter((fact) => fact.type.endsWith(".batch_started")).at(-1)?.t ?? this.window?.start ?? 0;
  }

  /** When the last estimate was made. */
  last() {
    return this.estimates.t.at(-1) ?? this.window?.end ?? 0;
  }

  /** Where the forecast ends, or the window. */
  end() {
    const ahead = this.forecast ? microseconds(this.forecast.data.at.at(-1)) : 0;
    return Math.max(this.window?.end ?? 0, ahead, this.last());
  }

  /** Give the estimate of a quantity, without the places where it was not believed. */
  estimateOf(name) {
    const columns = this.estimates.quantities[name];
    if (!columns) return null;
    const out = { t: [], mean: [], low: [], high: [], index: [] };
    this.estimates.t.forEach((t, i) => {
      if (columns.mean[i] === null || columns.mean[i] === undefined) return;
      out.t.push(t);
      for (const part of ["mean", "low", "high"]) out[part].push(columns[part][i]);
      out.index.push(i);
    });
    return out.t.length ? out : null;
  }

  /** Give the forecast of a quantity as five columns of quantiles. */
  forecastOf(name) {
    const values = valuesOf(this.forecast, name);
    if (!values || !values.length || values[0].length !== 5) return null;
    return { t: this.forecast.data.at.map(microseconds), q: [0, 1, 2, 3, 4].map((j) => values.map((row) => row[j])) };
  }

  /** Scale what a chart shows: one factor for points, estimate and forecast. */
  static scaled(view, factor) {
    if (factor === 1) return view;
    const times = (column) => column.map((value) => (value === null ? null : value * factor));
    const { estimate, forecast } = view;
    return {
      ...view,
      points: view.points.map((point) => ({ ...point, value: point.value * factor })),
      estimate: estimate && { ...estimate, mean: times(estimate.mean), low: times(estimate.low), high: times(estimate.high) },
      forecast: forecast && { ...forecast, q: forecast.q.map(times) },
    };
  }

  /** Give the measured points of a tag, assays with them. */
  pointsOf(tag) {
    const points = [];
    const channel = this.channels[tag];
    for (const look of ["good", "uncertain", "bad"]) {
      const series = channel?.[look];
      series?.t.forEach((t, i) => points.push({ t, value: series.value[i], look, tag, unit: channel.unit, offset: series.offset[i] }));
    }
    for (const fact of this.facts) {
      if (fact.data.tag === tag && typeof fact.data.value === "number") {
        points.push({ t: fact.t, value: fact.data.value, look: "assay", tag, unit: fact.data.unit, offset: fact.offset, fact });
      }
    }
    return points;
  }

  /** Give the filter's surprises as points: those that the gate refused look so. */
  surprises() {
    const { t, nis, gate, id } = this.innovations;
    return t.map((time, i) => ({ t: time, value: nis[i], look: { rejected: "refused", reopened: "reopened" }[gate[i]] || "good", gate: gate[i], id: id[i], index: i, innovation: this.innovations.innovation[i], sd: this.innovations.innovation_sd[i] }));
  }

  /** Give the golden scores of one run, that of the newest score in the window, and when that run began [us]. */
  scores() {
    const last = this.golden.t.at(-1) ?? 0;
    const origin = [...this.before, ...this.facts].filter((fact) => fact.type.endsWith(".batch_started") && fact.t <= last).at(-1)?.t ?? this.window?.start ?? 0;
    const kept = (_, i) => this.golden.t[i] >= origin;
    return { origin, golden: Object.fromEntries(Object.entries(this.golden).map(([name, column]) => [name, column.filter(kept)])) };
  }

  /** Give phases as stretches of time [s], with the fact that began each; `open` while nothing ended it. */
  phases() {
    return this.stretches("phase_changed", ["phase_changed", "batch_started", "batch_ended"], (data) => data.phase);
  }

  /** Give holds as stretches of time [s]. */
  holds() {
    return this.stretches("held", ["held", "resumed", "batch_started", "batch_ended"], (data) => data.reason);
  }

  stretches(begins, ends, nameOf) {
    const typeOf = (fact) => fact.type.split(".").pop();
    const turns = [...this.before, ...this.facts].filter((fact) => ends.includes(typeOf(fact)));
    return turns.map((fact, i) => ({ name: nameOf(fact.data), fact, from: fact.t / 1e6, to: (turns[i + 1]?.t ?? this.end()) / 1e6, open: i + 1 === turns.length }))
      .filter((one) => typeOf(one.fact) === begins);
  }

  /** Take a live estimate in: its beliefs, what was measured with it, and the filter's surprise. Tells whether it is new. */
  take(effect) {
    const t = microseconds(effect.event_time);
    if (this.estimates.id.at(-1) === effect.id || t < this.last()) return false;
    const { estimates } = this;
    if (t === estimates.t.at(-1)) this.drop();
    const place = estimates.t.length;
    estimates.t.push(t);
    estimates.id.push(effect.id);
    estimates.known_at.push(Date.now() * 1000);
    estimates.model.push(effect.model);
    estimates.revised.push(effect.data.revised);
    for (const [name, belief] of beliefsOf(effect.data)) {
      const columns = (estimates.quantities[name] ??= { unit: belief.unit, mean: [], sd: [], low: [], high: [] });
      for (const part of ["mean", "sd", "low", "high"]) {
        while (columns[part].length < place) columns[part].push(null);
        columns[part].push(belief[part]);
      }
    }
    for (const [tag, reading] of Object.entries(effect.data.readings)) this.measure(tag, reading, effect.data.records.last);
    const filter = effect.data.filter;
    if (filter.nis !== null && filter.nis !== undefined) {
      this.innovations.t.push(t);
      this.innovations.id.push(effect.id);
      for (const name of ["nis", "innovation", "innovation_sd", "gate"]) this.innovations[name].push(filter[name]);
    }
    this.score(effect, t);
    if (this.window) this.window.end = Math.max(this.window.end, t);
    return true;
  }

  score(effect, t) {
    const { golden, hours } = effect.data;
    if (!golden || this.golden.t.at(-1) >= t) return;
    const said = { t, id: effect.id, known_at: Date.now() * 1000, hours, ...golden };
    for (const [name, column] of Object.entries(this.golden)) column.push(said[name] ?? null);
  }

  drop() {
    const { estimates } = this;
    for (const name of ["t", "id", "known_at", "model", "revised"]) estimates[name].pop();
    for (const columns of Object.values(estimates.quantities)) {
      for (const part of ["mean", "sd", "low", "high"]) columns[part].length = Math.min(columns[part].length, estimates.t.length);
    }
  }

  measure(tag, reading, offset) {
    const channel = (this.channels[tag] ??= { unit: reading.unit, count: 0 });
    const series = (channel[reading.quality] ??= { t: [], value: [], offset: [] });
    const t = microseconds(reading.event_time);
    if (series.t.length && t <= series.t.at(-1)) return;
    series.t.push(t);
    series.value.push(reading.value);
    series.offset.push(offset);
  }
}
