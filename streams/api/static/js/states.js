/** The states of a unit: each has a colour, a shape and a word, so that none of them is needed to see it. */

import { el, svg } from "./dom.js";

export const STATES = {
  critical: { word: "Critical", rank: 7, shape: "M7 1h10l6 6v10l-6 6H7l-6-6V7z", mark: "1" },
  high: { word: "High", rank: 6, shape: "M12 1 23.5 22H.5z", mark: "2" },
  medium: { word: "Medium", rank: 5, shape: "M12 .5 23.5 12 12 23.5.5 12z", mark: "3" },
  low: { word: "Low", rank: 4, shape: "M.5 3h23L12 23z", mark: "4" },
  stale: { word: "Stale", rank: 3, shape: "M4 2h16l-6 10 6 10H4l6-10z", mark: "" },
  normal: { word: "Normal", rank: 2, shape: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z", mark: "" },
  ended: { word: "Ended", rank: 1, shape: "M4 4h16v16H4z", mark: "" },
  no_data: { word: "No data", rank: 0, shape: "M3 10.5h18v3H3z", mark: "" },
};

/** Draw a state's symbol; its word stands beside it or in `title`. */
export function symbol(state, size = 18) {
  const { shape, mark } = STATES[state] || STATES.no_data;
  const lift = state === "high" ? 19 : state === "low" ? 14.5 : 16.5;
  return svg(
    "svg", { viewBox: "0 0 24 24", width: size, height: size, class: `symbol is-${state}`, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: shape }),
    mark ? svg("text", { x: 12, y: lift, "text-anchor": "middle" }, mark) : null,
  );
}

/** Give a badge: symbol and word. */
export function badge(state, word = STATES[state].word) {
  return el("span", { class: `badge is-${state}` }, symbol(state, 14), el("span", {}, word));
}

/** Write a number with as many digits as its size deserves. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(digits - 1);
  const decimals = size === 0 ? 1 : Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(size))));
  return value.toFixed(decimals).replace("-", "−");
}

/** Write a UCUM unit as people do. */
export function unitName(code) {
  const names = { "1": "", Cel: "°C", "[pH]": "", "/h": "1/h", "{rev}/min": "rpm", "{rpm}": "rpm", "[arb'U]": "a.u.", "{scatter}": "a.u.", "{AU}": "AU", "{OD}": "OD", "{number}": "", "{ratio}": "", "10*6/mL": "10⁶/mL", "10*9": "10⁹", "[arb'U].L": "a.u.·L" };
  return code in names ? names[code] : code;
}

/** Write a tag or quantity as a heading. Unknown ones stay as they are. */
export function quantityName(name) {
  const names = { biomass: "Biomass", growth_rate: "Specific growth rate", sensor_gain: "Sensor gain", volume: "Volume", biomass_mass: "Biomass, total", dissolved_oxygen: "Dissolved oxygen", temperature: "Temperature", ph: "pH", agitation: "Agitation", airflow: "Airflow", pressure: "Pressure", glucose: "Glucose", glutamine: "Glutamine", lactate: "Lactate", ammonia: "Ammonia", viable_cells: "Viable cells", dead_cells: "Dead cells", viability: "Viability", oxygen_uptake: "Oxygen uptake", inhibitor: "Inhibitor", inhibition: "Growth left by the inhibitor" };
  return names[name] || name;
}

/** Choose how to write values up to `most` of a unit: micro litres for micro litres. Gives {factor, unit}. */
export function scaleFor(code, most) {
  const steps = { L: [[1e-3, 1e6, "µL"], [1, 1e3, "mL"]], g: [[1e-3, 1e6, "µg"], [1, 1e3, "mg"]] }[code] || [];
  for (const [below, factor, unit] of steps) if (Math.abs(most) < below) return { factor, unit };
  return { factor: 1, unit: unitName(code || "") };
}
