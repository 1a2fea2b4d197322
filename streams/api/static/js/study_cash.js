/** Cash flow by month: booked and accrued so far, what is expected to be paid, and how it adds up to the cost at completion. */

import { el, find, svg } from "./dom.js";
import { scrolling, tableOf } from "./signs.js";
import { day, money } from "./study_words.js";

const HIGH = 190;
const LEFT = 64;
const BOTTOM = 22;
const TOP = 8;
const MONTH_S = 2_629_800;
const state = { open: false };

/** Draw a forecast's money: months of the past, months to come with their bands, the running sum, and a table. */
export function showCash(ahead) {
  const months = monthsOf(ahead);
  if (!months.length) return el("p", { class: "muted" }, "No cash has moved, and none is expected to.");
  const wide = Math.max(320, Math.min(find("money-body").clientWidth || 900, 1500));
  const details = el("details", { ontoggle: (event) => { state.open = event.target.open; } }, el("summary", {}, "Cash flow as a table"), table(months, ahead.currency));
  details.open = state.open;
  return [
    el("h3", {}, `Cash flow by month, ${ahead.currency}`), legend(),
    drawn(wide, months, monthly(months), `Booked by month so far, and payments expected by month with their 90 % interval, in ${ahead.currency}. The table has the numbers.`),
    el("h3", {}, `Sum of all that is paid or owed, ${ahead.currency}`),
    drawn(wide, months, running(months), `Booked and accrued so far, and the running sum with its 90 % interval up to the cost at completion, in ${ahead.currency}.`),
    details,
  ];
}

function monthsOf(ahead) {
  const seconds = (text) => (text ? Date.parse(text) / 1000 : NaN);
  const now = seconds(ahead.months[0]);
  let [booked, accrued] = [0, 0];
  const past = ahead.past.months.map((text, i) => {
    const begin = seconds(text);
    const end = seconds(ahead.past.months[i + 1]) || now || begin + MONTH_S;
    booked += ahead.past.booked[i];
    accrued += ahead.past.accrued[i];
    return { text, begin, end, booked: ahead.past.booked[i], accrued: ahead.past.accrued[i], sumBooked: booked, sumAccrued: accrued };
  });
  const future = ahead.months.map((text, i) => {
    const begin = seconds(text);
    return { text, begin, end: seconds(ahead.months[i + 1]) || begin + MONTH_S, paid: ahead.paid[i], mean: ahead.paid_mean[i], sum: ahead.running[i] };
  });
  return [...past, ...future].filter((one) => Number.isFinite(one.begin) && one.end > one.begin);
}

/** Give the marks of the monthly chart: [name, month, from, to]; amounts in money. */
function monthly(months) {
  return months.flatMap((one) => (one.paid
    ? [["outer", one, one.paid[0], one.paid[4]], ["inner", one, one.paid[1], one.paid[3]], ["median", one, one.paid[2], one.paid[2]]]
    : [["booked", one, 0, one.booked], ["accrued", one, one.accrued, one.accrued]]));
}

function running(months) {
  return months.flatMap((one) => (one.sum
    ? [["outer", one, one.sum[0], one.sum[4]], ["inner", one, one.sum[1], one.sum[3]], ["median", one, one.sum[2], one.sum[2]]]
    : [["booked", one, 0, one.sumBooked], ["accrued", one, one.sumAccrued, one.sumAccrued]]));
}

function drawn(wide, months, marks, says) {
  const values = marks.flatMap(([, , from, to]) => [from, to]);
  const [least, most] = [Math.min(0, ...values), Math.max(1, ...values)];
  const [first, last] = [months[0].begin, months.at(-1).end];
  const x = (t) => LEFT + ((t - first) / (last - first)) * (wide - LEFT - 4);
  const y = (value) => TOP + (1 - (value - least) / (most - least)) * (HIGH - TOP - BOTTOM);
  const one = ([name, month, from, to]) => {
    const [left, right] = [x(month.begin) + 0.6, x(month.end) - 0.6];
    if (name === "median" || name === "accrued") return svg("path", { class: name, d: `M${left} ${y(to)}H${right}` });
    return svg("rect", { class: name, x: left, width: Math.max(right - left, 0.8), y: y(Math.max(from, to)), height: Math.max(Math.abs(y(from) - y(to)), 0.6) });
  };
  const next = months.find((month) => month.paid);
  return svg("svg", { class: "cash", viewBox: `0 0 ${wide} ${HIGH}`, role: "img", "aria-label": says },
    ticks(least, most).map((value) => [svg("path", { class: "grid", d: `M${LEFT} ${y(value)}H${wide - 4}` }), svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value))]),
    marks.map(one),
    next ? [svg("path", { class: "now", d: `M${x(next.begin)} ${TOP}V${HIGH - BOTTOM}` })] : null,
    dates(months, wide).map((month) => svg("text", { x: x(month.begin), y: HIGH - 6, "text-anchor": "start" }, day(month.text).slice(0, 7))));
}

function dates(months, wide) {
  const each = Math.ceil(months.length / Math.max(2, Math.floor((wide - LEFT) / 90)));
  return months.filter((month, i) => i % each === 0 && i < months.length - each / 2);
}

function ticks(least, most) {
  const rough = (most - least) / 4;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * ten).find((one) => one >= rough);
  return Array.from({ length: 12 }, (_, i) => (Math.ceil(least / step) + i) * step).filter((value) => value <= most);
}

function short(value) {
  const size = Math.abs(value);
  const [unit, word] = size >= 1e9 ? [1e9, " bn"] : size >= 1e6 ? [1e6, " m"] : size >= 1e3 ? [1e3, " k"] : [1, ""];
  return `${value < 0 ? "−" : ""}${Number((size / unit).toPrecision(3))}${word}`;
}

function legend() {
  const key = (...inside) => svg("svg", { class: "cash-key", viewBox: "0 0 24 12", width: 24, height: 12, "aria-hidden": "true", focusable: "false" }, inside);
  const box = (name, high = 12) => svg("rect", { y: (12 - high) / 2, width: 24, height: high, class: name });
  const line = (name) => svg("path", { d: "M0 6h24", class: name });
  return el("ul", { class: "legend" }, el("li", {}, key(box("booked")), "booked"), el("li", {}, key(line("accrued")), "accrued by what happened"),
    el("li", {}, key(box("outer"), box("inner", 6), line("median")), "expected: median, 50 and 90 %"));
}

function table(months, currency) {
  const row = (one) => (one.paid
    ? [`${day(one.text)} on`, "", "", money(one.mean), `${money(one.paid[0])} to ${money(one.paid[4])}`, money(one.sum[2]), `${money(one.sum[0])} to ${money(one.sum[4])}`]
    : [day(one.text).slice(0, 7), money(one.booked), money(one.accrued), "", "", money(one.sumAccrued), ""]);
  return scrolling("Cash flow by month", tableOf(`Cash flow by month in ${currency}`, ["Month", ["Booked", "n"], ["Accrued", "n"], ["Expected to be paid, mean", "n"], ["90 %", "n"], ["Sum", "n"], ["90 %", "n"]], months.map(row)));
}
