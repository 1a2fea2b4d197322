/** What if: scenarios side by side against things as they stand, and a tornado of what drives cost and date. */

import { el, svg } from "./dom.js";
import { scrolling, tableOf } from "./signs.js";
import { day, many, minute, money, percent } from "./study_words.js";

const ERRORS = 1.96; // standard errors of a central 95 % interval of a mean

/** Give the table of a `ScenarioTable`. */
export function scenarioTable(table, currency) {
  const heads = ["Scenario", "All enrolled", ["On time", "n"], "Study ends", [`Cost at completion, ${currency}`, "n"], ["Enrolled later, d", "n"], [`Costs more, ${currency}`, "n"], ["Of it with the clock", "n"]];
  const caption = `As of ${minute(table.as_of)}; on time is by ${day(table.by, "no day")}. ${many(table.draws, "draw")} stand behind every row, the same ones, so that differences are of the scenario alone. Medians with their 90 % interval; costs more: mean ± its 95 % error, then 90 % of the draws`;
  return scrolling("Scenarios side by side", tableOf(caption, heads, table.rows.map((row) => cells(row))));
}

function cells(row) {
  const base = row.kind === "base";
  return [
    base ? el("strong", {}, "As it stands") : row.name.charAt(0).toUpperCase() + row.name.slice(1),
    dates(row.enrolled), percent(row.on_time), dates(row.ends),
    two(money(row.cost[1]), `${money(row.cost[0])} to ${money(row.cost[2])}`),
    base ? "–" : two(days(row.days_later[1]), `${days(row.days_later[0])} to ${days(row.days_later[2])}`),
    base ? "–" : two(`${more(row.cost_more_mean)} ± ${money(ERRORS * row.cost_more_error)}`, `${more(row.cost_more[0])} to ${more(row.cost_more[2])}`, where(row)),
    base ? "–" : more(row.time_driven),
  ];
}

function dates([low, middle, high]) {
  return two(day(middle), `${day(low)} to ${day(high)}`);
}

function two(first, ...rest) {
  return el("span", { class: "two" }, el("span", {}, first), rest.filter(Boolean).map((one) => el("small", { class: "muted" }, one)));
}

/** Name the lines that a difference lies on, those first that move most. */
function where(row) {
  const lines = Object.entries(row.by_line).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).filter(([, value]) => Math.abs(value) >= 1);
  if (!lines.length) return "";
  const words = lines.slice(0, 3).map(([name]) => name).join(", ");
  return `on ${words}${lines.length > 3 ? ` and ${lines.length - 3} more` : ""}`;
}

function days(value) {
  return Math.abs(value) < 0.5 ? "0" : `${value < 0 ? "−" : "+"}${Math.round(Math.abs(value))}`;
}

function more(value) {
  return Math.abs(value) < 0.5 ? "0" : `${value > 0 ? "+" : ""}${money(value)}`;
}

/** Draw the tornado of a `ScenarioTable`: each input's low and high, in cost and in days. */
export function tornado(table, currency) {
  if (!table.tornado.length) return el("p", { class: "muted" }, "Nothing that is still to come moves cost or date.");
  const widest = (of) => Math.max(1e-9, ...table.tornado.flatMap((bar) => bar[of].map(Math.abs)));
  const [cost, date] = [widest("cost"), widest("days")];
  const rows = table.tornado.map((bar) => [bar.name, swing(bar.cost, cost), bar.cost.map(more).join(" to "), swing(bar.days, date), bar.days.map(days).join(" to ")]);
  return scrolling("What drives cost and date", tableOf("One input moved at a time, from low to high, all else as it stands: change of the mean cost and of the mean end of the study. Above, grey: low; below, coloured: high",
    ["Input, low to high", "Cost", [`Cost, ${currency}`, "n"], "End of the study", ["End, d later", "n"]], rows));
}

function swing([low, high], widest) {
  const wide = 200;
  const part = (value, name) => {
    const length = (Math.abs(value) / widest) * (wide / 2 - 2);
    return length < 0.3 ? null : svg("rect", { class: name, x: value < 0 ? wide / 2 - length : wide / 2, width: length, y: name === "low" ? 1 : 7, height: 6 });
  };
  return svg("svg", { class: "swing", viewBox: `0 0 ${wide} 14`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    part(low, "low"), part(high, "high"), svg("path", { d: `M${wide / 2} 0v14`, class: "zero" }));
}
