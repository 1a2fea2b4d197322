/** Money: booked against accrued by line, cost at completion, cash by month, scenarios and what drives cost and date. */

import { el, find, put } from "./dom.js";
import { scrolling, tableOf } from "./signs.js";
import { showCash } from "./study_cash.js";
import { scenarioTable, tornado } from "./study_scenarios.js";
import { money } from "./study_words.js";

/** Show what is booked (estimate's data) and the forecast's money, which is null where the plan holds no budget. */
export function showMoney(data, forecast) {
  find("money").hidden = !data;
  if (!data) return;
  const ahead = forecast?.data.money ?? null;
  if (!ahead) {
    put(find("money-body"), booked(data.booked), el("p", { class: "muted" }, forecast ? ["The plan holds no budget, so no cost at completion is forecast. A budget goes into ", el("code", {}, "enrollment.study_planned"), " as ", el("code", {}, "budget"), "."] : "No forecast yet, so no cost at completion either."));
    return;
  }
  const full = ahead.lines?.length > 0;
  put(find("money-body"),
    el("p", { class: "big-says", id: "money-says" }, total(ahead)),
    full ? byLine(ahead) : booked(data.booked),
    elsewhere(ahead, data.booked),
    full && ahead.past ? showCash(ahead) : null,
    ahead.scenarios ? [el("h3", {}, "Scenarios side by side"), scenarioTable(ahead.scenarios, ahead.currency), el("h3", {}, "What drives cost and date"), tornado(ahead.scenarios, ahead.currency)]
      : full ? el("p", { class: "muted" }, "No scenarios have been worked out yet.") : null);
}

function total(ahead) {
  const { currency } = ahead;
  const [low, , middle, , high] = ahead.at_completion ?? [];
  const so = [`${money(ahead.booked, currency)} booked`];
  if (ahead.lines?.length) so.push(`${money(ahead.accrued, currency)} accrued by what happened`, `${money(ahead.outstanding, currency)} accrued and not booked yet`);
  return [el("strong", {}, `At completion ${money(middle, currency)}`), ` (90 %: ${money(low)} to ${money(high)}). So far ${so.join(", ")}.`];
}

function byLine(ahead) {
  const { currency } = ahead;
  const row = (line) => [el("span", {}, line.name, line.time_driven ? el("small", { class: "muted" }, " runs with the clock") : null), money(line.booked), money(line.accrued), gap(line), money(line.mean), line.high - line.low < 0.5 ? "certain" : `${money(line.low)} to ${money(line.high)}`];
  const all = ahead.lines.reduce((sum, line) => ({ booked: sum.booked + line.booked, accrued: sum.accrued + line.accrued }), { booked: 0, accrued: 0 });
  const [low, , , , high] = ahead.at_completion;
  const last = [el("strong", {}, "All lines"), money(all.booked), money(all.accrued), gap(all), el("strong", {}, money(ahead.mean)), `${money(low)} to ${money(high)}`];
  return scrolling("Money by line", tableOf(`In ${currency}. Accrued is what the budget says of what happened so far; of each line the greater of booked and accrued counts as spent`,
    ["Line", ["Booked", "n"], ["Accrued", "n"], ["Booked less accrued", "n"], ["At completion, mean", "n"], ["90 %", "n"]], [...ahead.lines.map(row), last]));
}

function gap(line) {
  const more = line.booked - line.accrued;
  if (Math.abs(more) < 0.5) return "0";
  return `${more > 0 ? "+" : ""}${money(more)}`;
}

/** Name what was booked on no line of the budget, with how much. */
function elsewhere(ahead, lines) {
  const names = Object.keys(ahead.not_on_the_budget ?? {}).sort();
  if (!names.length) return null;
  const sums = (name) => Object.entries(lines[name] ?? {}).map(([currency, value]) => money(value, currency)).join(" and ");
  return el("p", {}, `Booked, and not counted here, as the budget has no such line or no rate for the currency: ${names.map((name) => `${name} ${sums(name)}`.trim()).join("; ")}.`);
}

function booked(lines) {
  const names = Object.keys(lines).sort();
  if (!names.length) return el("p", { class: "muted" }, "Nothing has been booked yet.");
  const currencies = [...new Set(names.flatMap((line) => Object.keys(lines[line])))].sort();
  const sum = (currency) => names.reduce((whole, line) => whole + (lines[line][currency] ?? 0), 0);
  const rows = names.map((line) => [line, ...currencies.map((currency) => (currency in lines[line] ? money(lines[line][currency]) : ""))]);
  return scrolling("Booked to date", tableOf("Booked to date; currencies are not added up", ["Line", ...currencies.map((one) => [one, "n"])],
    [...rows, [el("strong", {}, "All lines"), ...currencies.map((one) => el("strong", {}, money(sum(one))))]]));
}

