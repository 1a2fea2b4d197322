/** When the cells will be given: the date as a distribution against slot and latest, and what each leg that is left takes. */

import { el } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { percent } from "./study_words.js";
import { dateStrip, span, stripKey } from "./supply_charts.js";
import { lineage, section } from "./supply_page.js";
import { hours, lateness, plain, zoned } from "./supply_words.js";

/** Show the infusion's date. */
export function showInfusion({ data, forecast }) {
  const ahead = forecast?.data;
  if (!ahead) return section("infusion", false);
  const marks = [["slot", "slot"], ["latest", "latest"]].filter(([name]) => ahead[name]).map(([name, look]) => ({ at: Date.parse(ahead[name]), word: name, look }));
  const quantiles = ahead.infusion.map((text) => Date.parse(text));
  const says = `Expected ${zoned(ahead.infusion[2])}; 90 %: ${zoned(ahead.infusion[0])} to ${zoned(ahead.infusion[4])}`;
  section("infusion", true, stripKey(marks), dateStrip(quantiles, marks, says), el("p", { class: "readout" }, `${says}.`),
    el("ul", { class: "says" },
      ahead.slot ? el("li", {}, "After the slot ", el("b", {}, zoned(ahead.slot)), ": ", lateness(ahead.p_late, percent), ahead.explains && ahead.p_late > 0 ? `; most of it by the leg to ${plain(ahead.explains).toLowerCase()}` : "") : el("li", {}, "No slot is booked."),
      ahead.latest ? el("li", {}, "After the latest day ", el("b", {}, zoned(ahead.latest)), ": ", lateness(ahead.p_too_late, percent)) : null,
      ahead.released_with_95_percent_by ? el("li", {}, "Released with 95 % by ", el("b", {}, zoned(ahead.released_with_95_percent_by)), "; lymphodepletion is not to begin before the release is sure.") : null,
      data?.treated.lymphodepletion_started ? el("li", {}, sign("bad", `Lymphodepletion began ${zoned(data.treated.lymphodepletion_started)}: there is no way back`)) : null,
      ahead.overdue >= 0.5 ? el("li", {}, sign("watch", `The leg under way should have ended by now with ${percent(ahead.overdue)}`)) : null),
    el("button", { type: "button", class: "small", onclick: () => lineage("Expected infusion", forecast) }, "Where from"));
}

/** Show the legs that are left. */
export function showLegs({ forecast }) {
  const ahead = forecast?.data;
  if (!ahead) return section("legs", false);
  const most = Math.max(...ahead.legs.map((leg) => leg.hours[4]));
  section("legs", true, scrolling("Legs, the one under way first", tableOf("The first is under way: what is left of it, as of the forecast", ["Leg to", ["5 %", "n"], ["Median", "n"], ["95 %", "n"], "Interval", "Learned from", "Risk"], ahead.legs.map((leg) => [
    plain(leg.step), hours(leg.hours[0]), hours(leg.hours[2]), hours(leg.hours[4]), span([leg.hours[0], leg.hours[2], leg.hours[4]], most),
    leg.learned_from ? `${leg.learned_from.toLocaleString("en")} legs` : sign("none", "the plan alone"), leg.step === ahead.explains && ahead.p_late > 0.01 ? sign("watch", "explains most of the risk") : ""]))));
}
