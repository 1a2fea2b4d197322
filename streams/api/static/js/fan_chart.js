/** Subjects by date: counted as steps, the forecast's fan, the plan, target and looks. */

import uPlot from "/static/vendor/uplot/uPlot.esm.js";
import { chosen } from "./prefs.js";
import { colour } from "./marks.js";

const HEIGHT = 380;
const NARROW = 500; // px: below, marks are named in short

/**
 * Draw into `box`. `view` has columns of seconds: `past` {t, value}, `plan` {t, value}, `fan` {t, q: five columns} or null,
 * `now`, `level` {value, text} or null, `marks` [{t, value, text, short, done, late}]; `on(index of time or null, plot)` hears the cursor.
 */
export function makeFan(box, view, on) {
  const steps = uPlot.paths.stepped({ align: 1 });
  const bare = { points: { show: false } };
  const hidden = { ...bare, stroke: null };
  const outer = { ...bare, stroke: () => colour("forecast"), width: 0.8 };
  const plot = new uPlot({
    width: Math.max(160, box.clientWidth), height: HEIGHT, legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { show: false } },
    tzDate: (seconds) => (chosen().clock === "local" ? new Date(seconds * 1e3) : uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC")),
    scales: { x: { range: (u, low, high) => [low, Math.max(high, ...view.marks.map((mark) => mark.t))] }, y: { range: (u, low, high) => [0, Math.max(high ?? 1, view.level?.value ?? 1) * 1.08] } },
    series: [{}, { ...bare, stroke: () => colour("estimate"), width: 2.5, paths: steps }, { ...bare, stroke: () => colour("soft"), width: 1.5, dash: [2, 4] }, outer, hidden, { ...bare, stroke: () => colour("forecast"), width: 2.5, dash: [7, 4] }, hidden, outer],
    bands: [{ series: [7, 3], fill: () => colour("fan-outer") }, { series: [6, 4], fill: () => colour("fan-inner") }],
    axes: axes(),
    hooks: { draw: [(u) => paint(u, view)], setCursor: [(u) => on(u.cursor.idx ?? null, u)] },
  }, columns(view), box);
  return { resize: () => plot.setSize({ width: Math.max(160, box.clientWidth), height: HEIGHT }), destroy: () => plot.destroy(), plot };
}

function columns(view) {
  const fan = view.fan ? [view.fan.t, ...view.fan.q] : [[view.now], [null], [null], [null], [null], [null]];
  return uPlot.join([[view.past.t, view.past.value], [view.plan.t, view.plan.value], fan]);
}

function axes() {
  const look = { stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line"), width: 1, size: 4 }, font: "12px system-ui, sans-serif" };
  return [{ ...look, space: 70, size: 40, values: [[86_400 * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1], [86_400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1], [1, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1]] },
    { ...look, size: 46, space: 30 }];
}

function paint(u, view) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  upright(u, view.now, "edge", [3, 4]);
  if (view.level) across(u, view.level);
  let side = 0;
  for (const mark of [...view.marks].sort((a, b) => a.t - b.t)) {
    const x = u.valToPos(mark.t, "x", true);
    const y = u.valToPos(mark.value, "y", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    upright(u, mark.t, mark.late ? "high" : "edge", [6, 4]);
    diamond(ctx, x, y, 6 * devicePixelRatio, mark.done);
    ctx.fillStyle = colour("text");
    const left = x > bbox.left + bbox.width * 0.7 || (side % 2 === 1 && x > bbox.left + bbox.width * 0.3);
    ctx.textAlign = left ? "right" : "left";
    ctx.textBaseline = "top";
    ctx.fillText(bbox.width < NARROW * devicePixelRatio ? mark.short : mark.text, x + (left ? -10 : 10) * devicePixelRatio, bbox.top + bbox.height - (22 + 18 * (side % 2)) * devicePixelRatio);
    side += 1;
  }
  ctx.restore();
}

function upright(u, seconds, tone, dash) {
  const { ctx, bbox } = u;
  const x = u.valToPos(seconds, "x", true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.strokeStyle = colour(tone);
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dash.map((one) => one * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.setLineDash([]);
}

function across(u, { value, text }) {
  const { ctx, bbox } = u;
  const y = u.valToPos(value, "y", true);
  ctx.strokeStyle = colour("text");
  ctx.lineWidth = 1.2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.fillStyle = colour("text");
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText(text, bbox.left + 8 * devicePixelRatio, y - 3 * devicePixelRatio);
}

function diamond(ctx, x, y, size, full) {
  ctx.strokeStyle = colour("text");
  ctx.fillStyle = colour(full ? "text" : "panel");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  for (const [dx, dy] of [[0, -1], [1, 0], [0, 1], [-1, 0]]) ctx.lineTo(x + dx * size, y + dy * size);
  ctx.closePath();
  ctx.fill();
  ctx.stroke();
}
