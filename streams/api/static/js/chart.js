/** One chart: measured points, estimate with band, forecast fan, on a shared time axis and cursor. */

import uPlot from "/static/vendor/uplot/uPlot.esm.js";
import { chosen } from "./prefs.js";
import { colour, paintFacts, paintLevel, paintMoment, paintPhases, paintPoints } from "./marks.js";

const GAP = 3; // a step this many times the usual one is shown as a gap, not bridged by a line
const NEAR_PX = 22; // how near a click must be to mean a point

/**
 * Draw a chart into `box`.
 *
 * `view` gives `estimate` {t, mean, low, high} or null, `forecast` {t, q: [5 columns]} or null, `points` [{t, value, look, ...}],
 * `phases`, `facts`, `moment`, `live`, `after` (points later than this are faint), `start`, `end`, `level`. Times in microseconds.
 * `on` has `cursor(us or null)` and `pick(thing)` for a click on a point or an estimate.
 */
export function makeChart(box, view, { height, shared, named, on }) {
  const data = columns(view);
  const options = {
    width: Math.max(160, box.clientWidth),
    height,
    pxAlign: true,
    legend: { show: false },
    cursor: {
      sync: { key: shared, scales: ["x", null] },
      drag: { x: true, y: false },
      points: { size: 7, width: 1.5 },
      bind: { dblclick: () => () => null },
    },
    tzDate: (seconds) => (chosen().clock === "local" ? new Date(seconds * 1e3) : uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC")),
    scales: { x: { min: view.start / 1e6, max: view.end / 1e6 }, y: { range: (u, low, high) => yRange(u, low, high, view) } },
    series: seriesOf(view),
    bands: bandsOf(view),
    axes: axesOf(view),
    hooks: {
      drawClear: [(u) => paintPhases(u, view.phases, named)],
      drawAxes: [(u) => paintPoints(u, view.points.filter((point) => point.look !== "assay"), view.after)], // under the estimate
      draw: [(u) => {
        if (view.level) paintLevel(u, view.level.value, view.level.text);
        paintPoints(u, view.points.filter((point) => point.look === "assay"), view.after);
        paintFacts(u, named ? view.facts : []);
        paintMoment(u, view.moment, view.live);
      }],
      setCursor: [(u) => on.cursor(u.cursor.left >= 0 && u.cursor.left !== null ? u.posToVal(u.cursor.left, "x") * 1e6 : null)],
      setScale: [(u, key) => key === "x" && on.zoom?.(u.scales.x.min * 1e6, u.scales.x.max * 1e6)],
      ready: [(u) => listen(u)],
    },
  };
  const plot = new uPlot(options, data, box);

  function listen(u) {
    let down = 0;
    u.over.addEventListener("mousedown", (event) => { down = event.clientX; });
    u.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - down) > 3) return; // that was a zoom
      const frame = u.over.getBoundingClientRect();
      const thing = nearest(u, view, event.clientX - frame.left, event.clientY - frame.top);
      if (thing) on.pick(thing);
    });
  }

  return {
    update(fresh) {
      Object.assign(view, fresh);
      const kept = { min: plot.scales.x.min, max: plot.scales.x.max };
      plot.setData(columns(view), false);
      plot.setScale("x", fresh.start === undefined ? kept : { min: view.start / 1e6, max: view.end / 1e6 });
    },
    resize: () => plot.setSize({ width: Math.max(160, box.clientWidth), height }),
    zoom: (from, to) => plot.setScale("x", { min: from / 1e6, max: to / 1e6 }),
    destroy: () => plot.destroy(),
  };
}

/** Put estimate, forecast and points on one time axis, as uPlot wants it. */
function columns(view) {
  const tables = [[[view.start / 1e6, view.end / 1e6], [null, null]]];
  if (view.estimate) tables.push(withGaps(view.estimate));
  if (view.forecast) tables.push([view.forecast.t.map((t) => t / 1e6), ...view.forecast.q]);
  const sorted = [...view.points].sort((a, b) => a.t - b.t);
  const seen = new Map();
  for (const point of sorted) if (!seen.has(point.t)) seen.set(point.t, point.value);
  tables.push([[...seen.keys()].map((t) => t / 1e6), [...seen.values()]]);
  return uPlot.join(tables);
}

function withGaps({ t, mean, low, high }) {
  const steps = t.slice(1).map((time, i) => time - t[i]).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] || 1;
  const out = [[], [], [], []];
  t.forEach((time, i) => {
    if (i && time - t[i - 1] > GAP * usual) {
      out[0].push((time - 1) / 1e6);
      for (const column of out.slice(1)) column.push(null);
    }
    [time / 1e6, mean[i], low[i], high[i]].forEach((value, j) => out[j].push(value));
  });
  return out;
}

function seriesOf(view) {
  const bare = { points: { show: false }, stroke: null };
  const series = [{}, { ...bare, show: true }];
  if (view.estimate) {
    series.push({ stroke: () => colour("estimate"), width: 2, points: { show: false } }, { ...bare }, { ...bare });
  }
  if (view.forecast) {
    for (let i = 0; i < 5; i += 1) {
      series.push(i === 2 ? { stroke: () => colour("forecast"), width: 2, dash: [7, 4], points: { show: false } } : { ...bare });
    }
  }
  series.push({ paths: () => null, points: { show: false } });
  return series;
}

function bandsOf(view) {
  const bands = [];
  let at = 2;
  if (view.estimate) {
    bands.push({ series: [at + 2, at + 1], fill: () => colour("band") });
    at += 3;
  }
  if (view.forecast) {
    bands.push({ series: [at + 4, at], fill: () => colour("fan-outer") }, { series: [at + 3, at + 1], fill: () => colour("fan-inner") });
  }
  return bands;
}

function axesOf(view) {
  const look = { stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line"), width: 1, size: 4 }, font: "12px system-ui, sans-serif" };
  const hours = chosen().clock === "run";
  const x = hours
    ? { ...look, splits: (u, _, min, max) => hourSplits(min, max, view.origin / 1e6, u.width), values: (_, splits) => splits.map((s) => `${+(((s - view.origin / 1e6) / 3600).toFixed(2))} h`) }
    : { ...look, space: 70, values: [
      [86_400 * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1], [86_400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
      [60, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1], [1, "{HH}:{mm}:{ss}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    ] };
  return [{ ...x, size: hours ? 28 : 40 }, { ...look, size: 52, space: 26, values: (_, splits) => splits.map((value) => (value === null ? "" : String(+value.toPrecision(6)))) }];
}

function hourSplits(min, max, origin, width) {
  const wanted = (max - min) / Math.max(2, width / 80) / 3600;
  const step = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 6, 12, 24, 48, 96, 168].find((one) => one >= wanted) || 336;
  const out = [];
  for (let hour = Math.ceil((min - origin) / 3600 / step) * step; origin + hour * 3600 <= max; hour += step) out.push(origin + hour * 3600);
  return out;
}

/** Show all that was measured and believed, and of a fan that opens wide at least its inner half. */
function yRange(u, low, high, view) {
  const past = [...view.points.map((point) => point.value), ...(view.estimate ? [...view.estimate.low, ...view.estimate.high] : [])];
  let bottom = low;
  let top = high;
  if (past.length && view.forecast && low !== null) {
    const most = past.reduce((a, b) => Math.max(a, b), -Infinity);
    const least = past.reduce((a, b) => Math.min(a, b), Infinity);
    const room = Math.max(most - least, Math.abs(most) * 0.05);
    top = Math.min(high, Math.max(most + room, ...view.forecast.q[3]));
    bottom = Math.max(low, Math.min(least - room, ...view.forecast.q[1]));
  }
  if (view.level) top = Math.max(top ?? 0, view.level.value * 1.2);
  if (bottom === null || top === null) return [0, 1];
  if (bottom === top) return [bottom - Math.abs(bottom) * 0.1 - 0.1, top + Math.abs(top) * 0.1 + 0.1];
  const room = (top - bottom) * 0.08;
  return [bottom >= 0 && bottom - 2 * room < 0 ? 0 : bottom - room, top + room * 1.6];
}

/** Find what a click means: the nearest measured point, else the estimate or forecast at that time. */
function nearest(u, view, left, top) {
  let best = null;
  let least = NEAR_PX ** 2;
  const consider = (t, value, thing) => {
    const distance = (u.valToPos(t / 1e6, "x") - left) ** 2 + (u.valToPos(value, "y") - top) ** 2;
    if (distance < least) {
      least = distance;
      best = thing;
    }
  };
  for (const point of view.points) consider(point.t, point.value, { kind: "point", point });
  view.estimate?.t.forEach((t, i) => consider(t, view.estimate.mean[i], { kind: "estimate", index: view.estimate.index[i] }));
  view.forecast?.t.forEach((t, i) => consider(t, view.forecast.q[2][i], { kind: "forecast" }));
  return best;
}
