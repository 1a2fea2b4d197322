/** The chain of custody: who released, who received, where, when; and what is missing in it. */

import { el, setText, find } from "./dom.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { zoned, moment, plain } from "./supply_words.js";
import { empty, factLineage, section } from "./supply_page.js";

/** Show it, the newest line first. */
export function showCustody({ data, facts, moment: asOf }) {
  if (!data) return section("custody", false);
  setText(find("custody-title"), `Custody: ${data.custody_lines} ${data.custody_lines === 1 ? "line" : "lines"}`);
  const hidden = data.custody_lines - data.custody.length;
  section("custody", true, gaps(data), decided(data),
    data.custody.length ? scrolling("Custody line", tableOf(hidden > 0 ? `The newest ${data.custody.length}; ${hidden} older ones are among the facts` : "The newest first", ["When", "Step", "Released by", "Received by", "Where", "Units", "Wrong or missing", "Fact"],
      [...data.custody].reverse().map((line) => rowOf(line, data, facts)))) : empty("No scan yet", "Scans (EPCIS 2.0) and handovers appear here as they come", asOf.at ? " by then." : "."),
    data.unjudged.length ? el("details", {}, el("summary", {}, `What cannot be judged yet: ${data.unjudged.length}`), el("ul", { class: "says" }, data.unjudged.map((text) => el("li", {}, text)))) : null);
}

function gaps(data) {
  const found = data.violations.filter((one) => one.provisional);
  return found.length ? el("ul", { class: "gaps" }, found.map((one) => el("li", {}, sign("watch", `${plain(one.code)}, provisional until ${zoned(one.deadline)}`), el("span", {}, `Expected ${one.expected}, received ${one.received}; then it is a stop. What to do: ${one.advice}.`)))) : null;
}

function decided(data) {
  return data.decided.length ? el("ul", { class: "gaps" }, data.decided.map((one) => el("li", {}, sign("none", `${plain(one.code)}, decided by ${one.by}`), el("span", {}, one.reason)))) : null;
}

function rowOf(line, data, facts) {
  const name = line.fact.join("\n");
  const wrong = data.violations.filter((one) => one.facts.some((fact) => fact.join("\n") === name));
  const fact = facts.find((one) => `${one.source}\n${one.id}` === name);
  return [
    el("time", { datetime: line.at }, moment(line.at)), plain(line.step), line.releaser || "–", line.receiver || "–", line.place || "–", line.units.join(", "),
    wrong.length ? el("span", { class: "picked" }, [...new Set(wrong.map((one) => `${one.provisional ? "w" : "b"}${one.code}`))].map((one) => sign(one[0] === "b" ? "bad" : "watch", plain(one.slice(1))))) : sign("good", "nothing"),
    fact ? el("button", { type: "button", class: "small", onclick: () => factLineage(fact) }, line.fact[1]) : line.fact[1]];
}
