/** A person's decision on a recommendation: taken, declined, or another option in its place until a day. */

import { decide } from "./decide.js";
import { el } from "./dom.js";
import { post } from "./net.js";

const CHOICES = [["taken", "Taken: it is being done"], ["declined", "Declined: it is not done"], ["overridden", "Overridden: something else is done"]];
const MONTHS_AHEAD = 3;

/** Open the form on a case {effect, decisions}; `decided()` is called when it is on the log. */
export async function decideOn(key, { effect }, decided) {
  const { record } = effect.data;
  const other = fields(record);
  const done = await decide({
    title: "What is decided?",
    says: [`Advised: ${effect.data.summary[0] ?? record.chosen}`, "Your decision goes to the study's record. Nothing is done by it: what you do appears as facts when it happens."],
    action: "Keep this decision",
    more: [other.root],
    act: ({ by, reason }) => post(`twins/enrollment/${encodeURIComponent(key)}/decide`, { correction: effect.data.correction, by, reason, ...other.read() }),
  });
  if (done) decided();
}

function fields(record) {
  const option = el("input", { id: "decide-option", list: "decide-options", maxlength: 128, autocomplete: "off", spellcheck: "false" });
  const expires = el("input", { id: "decide-expires", type: "date", value: soon(record.known_at) });
  const more = el("div", { class: "decide-more", hidden: true },
    el("label", { for: "decide-option" }, "What is done instead"), option, el("datalist", { id: "decide-options" }, record.options.map((one) => el("option", { value: one.words.slice(0, 128) }))),
    el("label", { for: "decide-expires" }, "Holds until the end of this day (UTC)"), expires);
  const radios = CHOICES.map(([value, word], i) => {
    const input = el("input", { type: "radio", name: "decision", value, required: true, onchange: () => toggle(value === "overridden") });
    input.checked = i === 0;
    return el("label", { class: "radio" }, input, " ", word);
  });
  const toggle = (other) => {
    more.hidden = !other;
    option.required = other;
    expires.required = other;
  };
  const root = el("div", { class: "decide-fields" }, el("fieldset", { class: "radios" }, el("legend", {}, "Decision"), radios), more);
  return {
    root,
    read() {
      const decision = root.querySelector("input[name=decision]:checked").value;
      return decision === "overridden" ? { decision, option: option.value.trim(), expires: `${expires.value}T23:59:59Z` } : { decision };
    },
  };
}

function soon(text) {
  const date = new Date(text);
  date.setUTCMonth(date.getUTCMonth() + MONTHS_AHEAD);
  return date.toISOString().slice(0, 10);
}
