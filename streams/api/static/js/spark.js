/** A small course of biomass with its band, as SVG: decoration beside the numbers, so hidden from assistive tools. */

import { svg } from "./dom.js";

const WIDTH = 100;
const HEIGHT = 60;

/** Draw columns of time, mean, low and high; nothing where there are fewer than two points. */
export function drawSpark(spark) {
  const box = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
  if (!spark || spark.t.length < 2) return box;
  const first = spark.t[0];
  const span = spark.t[spark.t.length - 1] - first || 1;
  const bottom = Math.min(0, ...spark.low);
  const top = Math.max(...spark.high);
  const x = (t) => (((t - first) / span) * WIDTH).toFixed(1);
  const y = (v) => (HEIGHT - 2 - ((v - bottom) / (top - bottom || 1)) * (HEIGHT - 4)).toFixed(1);
  const up = spark.t.map((t, i) => `${x(t)},${y(spark.high[i])}`);
  const down = spark.t.map((t, i) => `${x(t)},${y(spark.low[i])}`).reverse();
  box.append(
    svg("polygon", { class: "band", points: [...up, ...down].join(" ") }),
    svg("polyline", { class: "line", points: spark.t.map((t, i) => `${x(t)},${y(spark.mean[i])}`).join(" ") }),
  );
  return box;
}
