/** Why the forecast moved since a month ago, and what drives the difference to the plan. */

import { el, find, put } from "./dom.js";
import { bar, scrolling, tableOf } from "./signs.js";
import { causeWords, day, signed } from "./study_words.js";

const SITES = 3; // named with a driver

/** Show a forecast effect's words and drivers; nothing without a forecast. */
export function showMoved(forecast) {
  find("moved").hidden = !forecast;
  if (!forecast) return;
  const { moved, since, drivers } = forecast.data;
  put(find("moved-body"),
    since ? el("h3", {}, `Since the forecast of ${day(since)}`) : el("p", { class: "muted" }, "There is no earlier forecast to compare with."),
    moved.length ? el("ul", { class: "says big-says" }, moved.map((text) => el("li", {}, text))) : null,
    drivers.length ? driverTable(drivers) : el("p", { class: "muted" }, "Nothing to name: the study is where its plan expects it, or no site's rate is planned."));
}

function driverTable(drivers) {
  const most = Math.max(...drivers.map((one) => Math.abs(one.subjects)));
  const total = drivers.reduce((sum, one) => sum + one.subjects, 0);
  return scrolling("Table of drivers", tableOf(`Subjects behind (−) or ahead of (+) the plan by now, by country and cause; those named come to ${signed(total)}`, ["Where", "Why", "Behind | ahead", ["Subjects", "n"], "Sites, most first"],
    drivers.map((one) => [one.of === "study" ? "Study" : one.name, causeWords(one), bar(one.subjects / most, true, one.subjects < 0 ? "watch" : "plain"), signed(one.subjects),
      el("span", { class: "reason" }, one.sites.slice(0, SITES).join(", "), one.sites.length > SITES ? " …" : "")])));
}
