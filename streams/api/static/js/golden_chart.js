/** One statistic of the golden batch along a run, on a logarithmic scale, with the limit of the good runs below which they stand. */

import uPlot from "/static/vendor/uplot/uPlot.esm.js";
import { colour, paintPoints } from "./marks.js";

const HEIGHT = 190;
const LOWEST = 30; // values further below the least limit than this many times lie on the bottom line

/** Draw into `box`. `view` gives columns `x`, `value`, `limit`, `beyond` and the place `chosen`; `on.pick(i)` hears a click. */
export function makeScoreChart(box, view, { pick, axis }) {
  const look = { stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line"), width: 1, size: 4 }, font: "12px system-ui, sans-serif" };
  const bare = { stroke: null, points: { show: false } };
  const plot = new uPlot({
    width: Math.max(160, box.clientWidth), height: HEIGHT, legend: { show: false },
    cursor: { sync: { key: "golden" }, drag: { x: false, y: false }, points: { show: false }, y: false },
    scales: { x: { time: false, range: () => across(view) }, y: { distr: 3, log: 10, range: () => upright(view) } },
    series: [{}, { ...bare, stroke: () => colour("edge"), width: 1.5, dash: [6, 4] }, { ...bare, stroke: () => colour("estimate"), width: 1.5 }],
    axes: [
      { ...look, size: 30, values: (_, splits) => splits.map((one) => `${+one.toPrecision(5)} ${axis === "maturity" ? "%" : "h"}`) },
      { ...look, size: 52, space: 22, filter: (u, splits) => tens(u, splits), values: (_, splits) => splits.map((one) => (one === null ? "" : String(+one.toPrecision(6)))) },
    ],
    hooks: {
      drawClear: [(u) => paintBand(u, view)],
      draw: [(u) => paintPoints({ ctx: u.ctx, bbox: u.bbox, valToPos: (value, scale, canvas) => u.valToPos(scale === "x" ? value * 1e6 : value, scale, canvas) }, points(view), null), (u) => paintChosen(u, view)],
      ready: [(u) => u.over.addEventListener("click", (event) => {
        const near = nearest(u, view, event.clientX - u.over.getBoundingClientRect().left);
        if (near !== null) pick(near);
      })],
    },
  }, columns(view), box);
  return {
    update(fresh) {
      Object.assign(view, fresh);
      plot.setData(columns(view));
    },
    resize: () => plot.setSize({ width: Math.max(160, box.clientWidth), height: HEIGHT }),
    destroy: () => plot.destroy(),
  };
}

function there(view) {
  return view.x.map((x, i) => i).filter((i) => view.x[i] !== null);
}

function columns(view) {
  const kept = there(view);
  const floor = upright(view)[0];
  return [kept.map((i) => view.x[i]), kept.map((i) => (view.limit[i] > 0 ? view.limit[i] : null)), kept.map((i) => (view.value[i] === null ? null : Math.max(floor, view.value[i])))];
}

/** paintPoints takes microseconds and divides them: x goes in as it is and comes out by the millionth. */
function points(view) {
  const floor = upright(view)[0];
  return there(view).filter((i) => view.value[i] !== null).map((i) => ({ t: view.x[i], value: Math.max(floor, view.value[i]), look: view.beyond[i] ? "refused" : "good" }));
}

function across(view) {
  const xs = view.x.filter((x) => x !== null);
  const least = Math.min(0, ...xs);
  const most = Math.max(...xs);
  return xs.length ? [least, most + (most - least || 1) * 0.02] : [0, 1];
}

function upright(view) {
  const limits = view.limit.filter((one) => one > 0);
  const values = view.value.filter((one) => one > 0);
  if (!limits.length && !values.length) return [0.1, 10];
  const least = Math.max(Math.min(...values, ...limits), Math.min(...(limits.length ? limits : values)) / LOWEST);
  return [least / 1.5, Math.max(...values, ...limits) * 1.8];
}

/** Name powers of ten alone, but for scales too short to have two of them. */
function tens(u, splits) {
  const whole = splits.map((one) => (Math.abs(Math.log10(one) - Math.round(Math.log10(one))) < 1e-9 ? one : null));
  return whole.filter((one) => one !== null).length >= 2 ? whole : splits.map((one) => ([1, 2, 5].includes(+(one / 10 ** Math.floor(Math.log10(one))).toPrecision(3)) ? one : null));
}

function paintBand(u, view) {
  const { ctx, bbox } = u;
  const kept = there(view).filter((i) => view.limit[i] > 0);
  if (kept.length < 2) return;
  ctx.save();
  ctx.fillStyle = colour("phase-b");
  ctx.beginPath();
  ctx.moveTo(u.valToPos(view.x[kept[0]], "x", true), bbox.top + bbox.height);
  for (const i of kept) ctx.lineTo(u.valToPos(view.x[i], "x", true), u.valToPos(view.limit[i], "y", true));
  ctx.lineTo(u.valToPos(view.x[kept.at(-1)], "x", true), bbox.top + bbox.height);
  ctx.closePath();
  ctx.fill();
  ctx.restore();
}

function paintChosen(u, view) {
  const { ctx, bbox } = u;
  if (view.x[view.chosen] === null || view.x[view.chosen] === undefined) return;
  const x = u.valToPos(view.x[view.chosen], "x", true);
  ctx.save();
  ctx.strokeStyle = colour("asof");
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

function nearest(u, view, left) {
  let best = null;
  for (const i of there(view)) {
    if (best === null || Math.abs(u.valToPos(view.x[i], "x") - left) < Math.abs(u.valToPos(view.x[best], "x") - left)) best = i;
  }
  return best;
}
