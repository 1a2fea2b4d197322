/** What a twin asked to have simulated anew: why, when, and what its budget allows. */

import { el, find, put, setText } from "./dom.js";
import { effectRows, showLineage } from "./lineage.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { stamp } from "./times.js";

const SHOWN = 20;

/** Show the answer of /api/v1/requests; nothing where nothing was asked and nothing could be. */
export function showRequests(found) {
  find("requests").hidden = !found.total && !found.budget;
  setText(find("requests-title"), `Re-simulation requests: ${found.total}`);
  const { budget } = found;
  put(find("requests-body"),
    budget ? el("p", { class: "muted" }, `Budget: ${budget.most_a_day} in a day of UTC, ${number(budget.cooldown_hours)} h between two.`) : null,
    found.total ? list(found) : el("p", { class: "muted" }, "None was asked by then."),
    found.total > SHOWN ? el("p", { class: "muted" }, `The newest ${SHOWN} of ${found.total}; /api/v1/requests has more.`) : null);
}

function list({ items, budget }) {
  return scrolling("Re-simulation requests", tableOf("Each asks a job of the advisory lane; the newest first", ["When", "Why", ["Of that day", "n"], "Job", "Priority", "From"],
    items.slice(0, SHOWN).map((effect) => {
      const { spec, reason, priority } = effect.data;
      const spent = budget && effect.nth_that_day >= budget.most_a_day;
      const nth = budget ? `${effect.nth_that_day} of ${budget.most_a_day}` : String(effect.nth_that_day);
      return [el("time", { datetime: effect.event_time }, stamp(Date.parse(effect.event_time))), el("span", { class: "reason" }, reason), spent ? sign("watch", `${nth}, the last`) : nth, `${spec.model}: ${spec.draws} draws, ${number(spec.horizon)} h ahead`, priority.replaceAll("_", " "),
        el("button", { type: "button", class: "small", onclick: () => lineage(effect) }, effect.id)];
    })));
}

function lineage(effect) {
  const { spec, reason, priority, content_hash: hash } = effect.data;
  showLineage("A request for a re-simulation", [
    ["Because", reason], ["Priority", priority], ["Model", spec.model], ["Draws", spec.draws], ["Ahead", `${number(spec.horizon)} h`], ["Seed", spec.seed], ["Specification's hash", hash],
    ...effectRows(effect).map(([name, value]) => [name === "Model" ? "Asked by" : name, value]),
  ], effect.id);
}
