/** Small charts of supply twins as SVG that stretches with its box: a date as a strip, a course with its interval and limit. */

import { el, svg } from "./dom.js";
import { number } from "./states.js";
import { stamp } from "./times.js";

const WIDTH = 1000;
const ROOM = 0.06; // of the width, left and right of what is shown

/** Draw moments at 5, 25, 50, 75 and 95 % [ms] as a strip; `marks` [{at [ms], word, look}] stand as lines across it. Words beside it say the same. */
export function dateStrip(quantiles, marks, label) {
  const all = [...quantiles, ...marks.map((mark) => mark.at)];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = high - low || 1;
  const share = (ms) => ROOM + (1 - 2 * ROOM) * ((ms - low) / span);
  const x = (ms) => (share(ms) * WIDTH).toFixed(1);
  const [q05, q25, q50, q75, q95] = quantiles.map(x);
  const node = el("div", { class: "strip", role: "img", "aria-label": label },
    svg("svg", { viewBox: `0 0 ${WIDTH} 60`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      svg("rect", { class: "outer", x: q05, y: 16, width: Math.max(2, q95 - q05), height: 28 }), svg("rect", { class: "inner", x: q25, y: 16, width: Math.max(2, q75 - q25), height: 28 }),
      svg("path", { class: "median", d: `M${q50} 10v40` }), marks.map((mark) => svg("path", { class: `mark-${mark.look}`, d: `M${x(mark.at)} 0v60` }))));
  const name = (ms, text, place) => {
    const one = el("span", { class: `strip-word ${place}${share(ms) > 0.75 ? " to-left" : share(ms) < 0.25 ? " to-right" : ""}` }, text);
    one.style.left = `${(share(ms) * 100).toFixed(2)}%`;
    return one;
  };
  node.append(name(quantiles[2], `median ${stamp(quantiles[2]).slice(0, 10)}`, "below"), ...marks.map((mark, i) => name(mark.at, `${mark.word} ${stamp(mark.at).slice(0, 10)}`, i ? "below-2" : "above")));
  return node;
}

/** Give the legend of strips. */
export function stripKey(marks) {
  const key = (...inside) => svg("svg", { class: "strip-key", viewBox: "0 0 24 12", width: 24, height: 12, "aria-hidden": "true", focusable: "false" }, inside);
  return el("ul", { class: "legend" },
    el("li", {}, key(svg("rect", { class: "outer", width: 24, height: 12 }), svg("rect", { class: "inner", x: 6, width: 12, height: 12 }), svg("path", { class: "median", d: "M12 0v12" })), "5, 25, 50, 75 and 95 %"),
    marks.map((mark) => el("li", {}, key(svg("path", { class: `mark-${mark.look}`, d: "M12 0v12" })), mark.word)));
}

/**
 * Draw a course: `view` has columns `t` [us], `mean`, `low`, `high` (null where nothing is known), `limit` {value, word} or null, `unit`, `label`.
 * Where the mean is not known the line breaks.
 */
export function courseChart(view) {
  const kept = view.t.map((_, i) => i).filter((i) => view.mean[i] !== null && view.mean[i] !== undefined);
  if (kept.length < 2) return el("p", { class: "muted" }, "Fewer than two estimates so far: nothing to draw.");
  const values = kept.flatMap((i) => [view.low[i], view.high[i]]).concat(view.limit ? [view.limit.value] : []).filter((one) => one !== null);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least || 1) * 0.08;
  const [from, to] = [view.t[0], view.t.at(-1)];
  const x = (t) => (((t - from) / (to - from || 1)) * WIDTH).toFixed(1);
  const y = (value) => (200 - ((value - least + room) / (most - least + 2 * room)) * 200).toFixed(1);
  const stretches = runsOf(view.t, kept);
  const band = (run) => [...run.map((i) => `${x(view.t[i])},${y(view.high[i])}`), ...[...run].reverse().map((i) => `${x(view.t[i])},${y(view.low[i])}`)].join(" ");
  return el("div", { class: "course", role: "img", "aria-label": view.label },
    el("span", { class: "course-top" }, `${number(most)} ${view.unit}`),
    svg("svg", { viewBox: `0 0 ${WIDTH} 200`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      stretches.map((run) => [svg("polygon", { class: "band", points: band(run) }), svg("polyline", { class: "line", points: run.map((i) => `${x(view.t[i])},${y(view.mean[i])}`).join(" ") })]),
      view.limit ? svg("path", { class: "limit", d: `M0 ${y(view.limit.value)}h${WIDTH}` }) : null),
    el("span", { class: "course-bottom" }, `${number(least)} ${view.unit}`),
    el("span", { class: "course-from" }, stamp(from / 1000).slice(0, 16)), el("span", { class: "course-to" }, stamp(to / 1000).slice(0, 16)));
}

/** Group neighbours: indices that follow one another without one in between that is not known. */
function runsOf(t, kept) {
  const runs = [];
  for (const i of kept) {
    if (runs.length && runs.at(-1).at(-1) === i - 1) runs.at(-1).push(i);
    else runs.push([i]);
  }
  return runs;
}

/** Draw an interval [low, middle, high] against `most`; words beside it say the same. */
export function span([low, middle, high], most) {
  const at = (value) => ((Math.min(value, most) / (most || 1)) * 100).toFixed(2);
  return svg("svg", { class: "interval", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("path", { class: "axis-line", d: "M0 6h100" }), svg("rect", { x: at(low), y: 2, width: Math.max(1, at(high) - at(low)), height: 8 }), svg("path", { class: "middle", d: `M${at(middle)} 0v12` }));
}
