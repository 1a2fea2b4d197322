/** Facts that do not count yet: why, and what to do. */

import { el, find, put, setText } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { day, many, reasonWords } from "./study_words.js";

/** Show what waits, from an estimate's data. */
export function showQuality(data) {
  find("quality").hidden = !data;
  if (!data) return;
  const reasons = Object.entries(data.quality.by_reason).sort((a, b) => b[1] - a[1]);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  setText(find("quality-title"), total ? `Facts that wait: ${total.toLocaleString("en")}` : "Facts that wait");
  const advice = new Map(data.quality.newest.map((one) => [one.reason, one.advice]));
  put(find("quality-body"), total === 0
    ? el("p", {}, sign("good", "Every fact counts"))
    : [
      el("ul", { class: "says" }, reasons.map(([reason, count]) => el("li", {}, sign("watch", `${reasonWords(reason)}: ${many(count, "fact")}`), advice.has(reason) ? ` ${advice.get(reason)}` : ""))),
      scrolling("Table of facts that wait", tableOf(data.quality.newest.length < total ? `The newest ${data.quality.newest.length} of ${total}` : "None is lost: each counts as soon as what it waits for is said", ["Of", "Step", "Site", "Subject", "Waits because"],
        data.quality.newest.map((one) => [day(one.fact), one.type.replaceAll("_", " "), one.site ?? "–", one.subject ?? "–", reasonWords(one.reason)]))),
    ]);
}
