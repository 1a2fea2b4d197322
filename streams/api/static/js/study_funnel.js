/** The funnel of a study: who took which step, why subjects fail, who is under way, and when to stop screening. */

import { el, find, put } from "./dom.js";
import { bar, scrolling, tableOf } from "./signs.js";
import { number } from "./states.js";
import { strataOf } from "./study_strata.js";
import { day, many, percent } from "./study_words.js";

/** Show the funnel of an estimate's data, with the forecast's word on the end of screening (either may be null). */
export function showFunnel(data, forecast) {
  find("funnel").hidden = !data;
  if (!data) return;
  put(find("funnel-body"),
    data.funnel.length ? steps(data) : el("p", { class: "muted" }, "No subject has taken a step yet."),
    failures(data), strataOf(forecast?.data), el("ul", { class: "says" }, sentences(data, forecast?.data).map((text) => el("li", {}, text))));
}

function steps(data) {
  const most = Math.max(1, ...data.funnel.map((step) => step.entered));
  return scrolling("Steps of the funnel", tableOf("Of those who took a step and are no longer waiting, the share that goes on, with its 90 % interval", ["Step", "Size", ["Entered", "n"], ["Went on", "n"], ["Waiting", "n"], ["Share", "n"]],
    data.funnel.map((step) => [step.step, bar(step.entered / most, false), String(step.entered), String(step.passed), String(step.waiting),
      `${percent(step.share.median)} (${percent(step.share.low)} to ${percent(step.share.high)})`])));
}

function failures(data) {
  const reasons = Object.entries(data.failures).sort((a, b) => b[1] - a[1]);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  if (!total) return el("p", { class: "muted" }, "No screen failure yet.");
  return scrolling("Screen failures by reason", tableOf(`${many(total, "screen failure")} by reason`, ["Reason", "Size", ["Subjects", "n"], ["Share", "n"]],
    reasons.map(([reason, count]) => [reason, bar(count / reasons[0][1], false), String(count), percent(count / total)])));
}

function sentences(data, forecast) {
  const say = [`In screening now: ${many(data.in_screening, "subject")}.`];
  const { unreported } = data;
  if (unreported) {
    const lag = unreported.median_lag_days === null ? "" : ` Half of what happens is reported within ${number(unreported.median_lag_days, 2)} d.`;
    say.push(`Counted at sites and not yet reported: about ${number(unreported.expected, 2)} (90 %: ${number(unreported.low, 2)} to ${number(unreported.high, 2)}).${lag}`);
  } else say.push("How late subjects are reported is not known, so the last days may look too low.");
  const stop = forecast?.stop_screening;
  if (stop?.at) say.push(`Screening may stop about ${day(stop.at)}: the target is then reached with ${percent(stop.probability)}, with ${number(stop.too_many.median, 2)} too many (90 %: ${number(stop.too_many.low, 2)} to ${number(stop.too_many.high, 2)}).`);
  else if (stop) say.push(`Screening is not to stop yet: were it stopped now, the target would be reached with a probability of ${percent(stop.probability)}.`);
  return say;
}
