/** A chart with all that belongs to it: title, legend with the values under the cursor, table, CSV. */

import { makeChart } from "./chart.js";
import { download, toCsv } from "./csv.js";
import { el, put, setText } from "./dom.js";
import { number } from "./states.js";
import { rfc, stamp } from "./times.js";

const MOST_ROWS = 250;
let counter = 0;

/**
 * Make a panel. `spec` has `title`, `unit`, `height`, `wide`, `named`, `legend` [[look, word]], and `rows()` giving
 * objects {t, what, value, low, high, source, thing} for table and CSV.
 */
export function makePanel(spec, view, on) {
  const id = `panel-${(counter += 1)}`;
  const box = el("div", { class: "plot", role: "img", "aria-labelledby": `${id}-title ${id}-says` });
  const says = el("p", { class: "unseen", id: `${id}-says` });
  const readout = el("p", { class: "readout" });
  const table = el("div", { class: "scroll table", hidden: true, tabindex: 0, role: "region", "aria-label": `${spec.title}, as a table` });
  const toggle = el("button", { type: "button", class: "small", "aria-expanded": "false", onclick: () => showTable(table.hidden) }, "Table");
  const root = el(
    "section", { class: `panel${spec.wide ? " wide" : ""}`, "aria-labelledby": `${id}-title`, "data-panel": spec.name },
    el("div", { class: "panel-head" },
      el("h2", { id: `${id}-title` }, spec.title, spec.unit ? el("span", { class: "muted" }, ` [${spec.unit}]`) : null),
      el("ul", { class: "legend" }, spec.legend.map(([look, word]) => el("li", {}, el("i", { class: `key ${look}`, "aria-hidden": "true" }), word))),
      el("span", { class: "spring" }), toggle,
      el("button", { type: "button", class: "small", "aria-label": `${spec.title} as CSV`, onclick: () => download(`${on.name}-${spec.name}.csv`, toCsv(spec.rows())) }, "CSV")),
    readout, box, says, table,
  );
  let chart = null;

  function draw() {
    chart?.destroy();
    chart = makeChart(box, view, { height: spec.height, shared: on.shared, named: spec.named, on: { cursor: (us) => tell(us), pick: on.pick, zoom: on.zoom } });
    describe();
  }

  function tell(us) {
    setText(readout, us === null ? resting() : under(us));
  }

  function under(us) {
    const parts = [stamp(us / 1000)];
    const point = closest(view.points, us, (one) => one.t);
    if (point) parts.push(`${point.look === "assay" ? "assay" : spec.pointWord || "measured"} ${number(point.value, 4)}`);
    const at = view.estimate && closest(view.estimate.t.map((t, i) => ({ t, i })), us, (one) => one.t);
    if (at && us <= view.estimate.t[view.estimate.t.length - 1]) {
      parts.push(`estimate ${number(view.estimate.mean[at.i], 4)} (90 %: ${number(view.estimate.low[at.i], 4)} to ${number(view.estimate.high[at.i], 4)})`);
    }
    const next = view.forecast && us >= view.forecast.t[0] && closest(view.forecast.t.map((t, i) => ({ t, i })), us, (one) => one.t);
    if (next) parts.push(`forecast ${number(view.forecast.q[2][next.i], 4)} (90 %: ${number(view.forecast.q[0][next.i], 4)} to ${number(view.forecast.q[4][next.i], 4)})`);
    return parts.join(" · ");
  }

  function resting() {
    const last = view.estimate ? view.estimate.t.length - 1 : -1;
    if (last >= 0) return `${view.ended ? "At the end" : view.live ? "Now" : "Then"} ${number(view.estimate.mean[last])} ${spec.unit} (90 %: ${number(view.estimate.low[last])} to ${number(view.estimate.high[last])})`;
    const point = view.points[view.points.length - 1];
    return point ? `Last ${number(point.value)} ${spec.unit || ""}` : "Nothing measured in this window";
  }

  function describe() {
    tell(null);
    const ahead = view.forecast ? ` Forecast at ${stamp(view.forecast.t[view.forecast.t.length - 1] / 1000)}: ${number(view.forecast.q[2].at(-1))}, 90 %: ${number(view.forecast.q[0].at(-1))} to ${number(view.forecast.q[4].at(-1))}.` : "";
    setText(says, `${resting()}. ${view.points.length} points.${ahead} The table beside has the numbers.`);
    if (!table.hidden) showTable(true);
  }

  function showTable(open) {
    table.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const rows = spec.rows();
    const shown = rows.slice(-MOST_ROWS);
    put(table, el("table", { class: "list" },
      el("caption", {}, rows.length > shown.length ? `The last ${shown.length} of ${rows.length}; the CSV has all that the chart shows.` : `${rows.length} rows`),
      el("thead", {}, el("tr", {}, ["Time", "What", "Value", "Low", "High", "From"].map((word) => el("th", { scope: "col" }, word)))),
      el("tbody", {}, shown.reverse().map((row) => el("tr", {},
        el("td", { title: rfc(row.t) }, stamp(row.t / 1000)), el("td", {}, row.what), el("td", { class: "n" }, number(row.value, 4)),
        el("td", { class: "n" }, row.low === undefined ? "" : number(row.low, 4)), el("td", { class: "n" }, row.high === undefined ? "" : number(row.high, 4)),
        el("td", {}, row.thing ? el("button", { type: "button", class: "small", onclick: () => on.pick(row.thing) }, row.source) : row.source))))));
  }

  return { root, draw, redraw: draw, update: (fresh) => { chart?.update(fresh); describe(); }, resize: () => chart?.resize(), zoom: (from, to) => chart?.zoom(from, to), destroy: () => chart?.destroy() };
}

function closest(list, us, timeOf) {
  let best = null;
  for (const one of list) if (best === null || Math.abs(timeOf(one) - us) < Math.abs(timeOf(best) - us)) best = one;
  return best;
}
