/** The question's form: scenarios, each a name and some blows; how far and how often is simulated; who asks, and why. */

import { el, find, put } from "./dom.js";
import { number } from "./states.js";
import { many } from "./study_words.js";
import { nameOf, zoned } from "./supply_words.js";

const DAYS = 60;
const DRAWS = 500;
const MOST_SEED = 2 ** 32;
const made = { of: "", scenarios: [], blows: [], name: "", kind: "capacity", horizon: DAYS, draws: DRAWS, by: "", why: "" };

/** Each blow: its word, its fields [name, label, input], and how it is said in words. */
const BLOWS = {
  capacity: {
    word: "Capacity lost or won", fields: (net) => [pick("resource", "Resource", net.resources.map((one) => one.name)), day("begin", "From day", 0), day("end", "Until day", 14), count("units", "Units there are then", 0)],
    words: (one, net) => `${one.units} of ${net.resources.find((two) => two.name === one.resource)?.units ?? "?"} units of ${one.resource} from day ${one.begin} until day ${one.end}`,
  },
  demand: {
    word: "Demand", fields: (net) => [pick("classes", "Patients of class", ["", ...net.classes.map((one) => one.name)], "all that come at random"), day("begin", "From day", 0), day("end", "Until day", 30), factor("factor", "Come × as often", 1.5)],
    words: (one) => `${one.classes?.length ? one.classes.join(", ") : "all"} come ${number(one.factor)} × as often from day ${one.begin} until day ${one.end}`,
  },
  slower: {
    word: "A slower step", fields: (net) => [pick("step", "Step", stepsOf(net)), factor("factor", "Lasts × as long", 1.5)],
    words: (one) => `${one.step} lasts ${number(one.factor)} × as long`,
  },
  failure: {
    word: "Failures of a step", fields: (net) => [pick("outcome", "What happens", outcomesOf(net).map((one) => `${one.step} → ${one.to}`)), share("probability", "With probability", 0.2)],
    words: (one) => `${one.step} goes back to ${one.to} with probability ${number(one.probability)}`,
  },
};

/** Show the form. `state` has `key`, `networks`, `base`; `on` has `choose(key)` and `ask(wish)`. */
export function showForm(state, on) {
  const { base, key } = state;
  if (made.of !== key) Object.assign(made, { of: key, scenarios: [], blows: [], name: "", horizon: Math.round((base.spec?.horizon ?? DAYS * 24) / 24), draws: base.spec?.draws ?? DRAWS });
  const again = () => showForm(state, on);
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const network = el("select", { id: "network", onchange: (event) => on.choose(event.target.value) }, state.networks.map((name) => el("option", { value: name }, nameOf(name))));
  network.value = key;
  const form = el("form", { class: "ask-form", novalidate: true }, el("div", { class: "ask-fields one" }, el("label", {}, "Network", network)),
    el("p", {}, standing(base)), scenarioFields(base.network, again, trouble), scenarioList(again), askFields(), trouble,
    el("p", { class: "buttons-row" }, el("button", { type: "submit" }, "Ask the pool"), el("span", { class: "muted" }, "Simulated beside the live network: nothing is changed by it.")));
  form.addEventListener("submit", (event) => { event.preventDefault(); send(base, on, trouble, form.querySelector("[type=submit]")); });
  put(find("question-body"), form);
}

function standing(base) {
  const people = base.network.start?.length ?? 0;
  const where = base.asked ? `as its twin saw it ${zoned(base.at)}, with ${many(people, "patient")} where they were` : `as it was described ${zoned(base.at)}; nobody is in it, since its twin asked nothing yet`;
  return `Day 0 is the network ${where}. It has ${many(base.network.resources.length, "resource")} and ${many(base.network.classes.length, "class").replace("classs", "classes")} of patients.`;
}

function scenarioFields(net, again, trouble) {
  const kind = el("select", { id: "blow-kind", onchange: (event) => { made.kind = event.target.value; again(); find("blow-kind").focus(); } }, Object.entries(BLOWS).filter(([name]) => name !== "failure" || outcomesOf(net).length).map(([name, blow]) => el("option", { value: name }, blow.word)));
  kind.value = made.kind;
  const fields = BLOWS[made.kind].fields(net);
  const name = el("input", { id: "scenario-name", maxlength: 80, value: made.name, placeholder: "such as: suites lost", autocomplete: "off", oninput: (event) => { made.name = event.target.value; } });
  return el("fieldset", {}, el("legend", {}, `Scenario ${made.scenarios.length + 1}`), el("div", { class: "ask-fields one" }, el("label", {}, "Its name", name)),
    made.blows.length ? el("ul", { class: "blows", id: "blows" }, made.blows.map((blow, i) => el("li", {}, el("span", {}, BLOWS[blow.blow].words(blow, net)), el("button", { type: "button", class: "small", "aria-label": `Leave out: ${BLOWS[blow.blow].words(blow, net)}`, onclick: () => { made.blows.splice(i, 1); again(); } }, "Leave out")))) : el("p", { class: "muted" }, "No blow yet: choose what happens, and add it. Blows of one scenario come together."),
    el("div", { class: "ask-fields" }, el("label", {}, "What happens", kind), fields.map((field) => field.root)),
    el("p", { class: "buttons-row" }, el("button", { type: "button", id: "add-blow", onclick: () => addBlow(net, fields, again, trouble) }, "Add this blow"),
      made.blows.length ? el("button", { type: "button", id: "add-scenario", onclick: () => { keepScenario(); again(); } }, "Another scenario beside it") : null));
}

function addBlow(net, fields, again, trouble) {
  const wrong = fields.find((field) => !field.input.checkValidity() || field.input.value === "" && !field.optional);
  if (wrong) return complain(trouble, `${wrong.label}: expected ${wrong.expects}, received ${wrong.input.value || "nothing"}`, wrong.input);
  const blow = { blow: made.kind, ...Object.assign({}, ...fields.map((field) => field.read(net))) };
  if (blow.end !== undefined && blow.end <= blow.begin) return complain(trouble, "Until day: expected a day after the first", fields.find((field) => field.name === "end").input);
  made.blows.push(blow);
  again();
  find("add-blow").focus();
}

function complain(trouble, text, input) {
  trouble.textContent = text;
  trouble.hidden = false;
  input?.focus();
}

/** Put the scenario that is being made to the others, with a name of its own. */
function keepScenario() {
  if (!made.blows.length) return;
  const wanted = made.name.trim() || `scenario ${made.scenarios.length + 1}`;
  const taken = new Set(made.scenarios.map((one) => one.name));
  let name = wanted;
  for (let i = 2; taken.has(name); i += 1) name = `${wanted} ${i}`;
  made.scenarios.push({ name, blows: made.blows });
  made.blows = [];
  made.name = "";
}

function scenarioList(again) {
  return made.scenarios.length ? el("ul", { class: "blows", id: "scenarios", "aria-label": "Scenarios so far" }, made.scenarios.map((one, i) => el("li", {}, el("b", {}, one.name), el("span", { class: "muted" }, many(one.blows.length, "blow")), el("button", { type: "button", class: "small", "aria-label": `Leave out scenario ${one.name}`, onclick: () => { made.scenarios.splice(i, 1); again(); } }, "Leave out")))) : null;
}

function askFields() {
  const keep = (name, read) => (event) => { made[name] = read(event.target.value); };
  return el("fieldset", {}, el("legend", {}, "How, who and why"), el("div", { class: "ask-fields" },
    el("label", {}, "Days simulated", el("input", { type: "number", id: "horizon", min: 1, max: 3650, step: 1, value: made.horizon, oninput: keep("horizon", Number) })),
    el("label", {}, "Futures drawn", el("input", { type: "number", id: "draws", min: 10, max: 100_000, step: 10, value: made.draws, oninput: keep("draws", Number) })),
    el("label", {}, "Who asks", el("input", { id: "asked-by", required: true, maxlength: 128, value: made.by, autocomplete: "name", spellcheck: "false", oninput: keep("by", (text) => text.trim()) })),
    el("label", {}, "Why", el("input", { id: "asked-why", required: true, maxlength: 1000, value: made.why, autocomplete: "off", oninput: keep("why", (text) => text.trim()) }))));
}

async function send(base, on, trouble, submit) {
  trouble.hidden = true;
  if (!made.blows.length && !made.scenarios.length) return complain(trouble, "Add a blow first: without one there is nothing to compare.", find("add-blow"));
  for (const [name, ok, text] of [["horizon", made.horizon >= 1, "Days simulated: expected 1 or more"], ["draws", made.draws >= 10, "Futures drawn: expected 10 or more"], ["asked-by", made.by, "Who asks: expected a name"], ["asked-why", made.why, "Why: expected a reason"]]) if (!ok) return complain(trouble, text, find(name));
  const scenarios = [...made.scenarios, ...(made.blows.length ? [{ name: made.name.trim() || `scenario ${made.scenarios.length + 1}`, blows: made.blows }] : [])];
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] % MOST_SEED;
  submit.disabled = true;
  try {
    await on.ask({ asked_by: made.by, reason: made.why, spec: { kind: "supply", model: "network", parameters: {}, seed, draws: made.draws, horizon: made.horizon * 24, inputs: { network: base.network, scenarios } } });
    find("answer").scrollIntoView();
  } catch (error) {
    complain(trouble, error.message);
  } finally {
    submit.disabled = false;
  }
}

function stepsOf(net) {
  return [...new Set(net.routes.flatMap((route) => route.steps.map((step) => step.name)))];
}

function outcomesOf(net) {
  return net.routes.flatMap((route) => route.steps.flatMap((step) => (step.outcomes ?? []).map((outcome) => ({ step: step.name, to: outcome.to }))));
}

function field(name, label, input, expects, read, optional = false) {
  return { name, label, input, expects, read, optional, root: el("label", {}, label, input) };
}

function pick(name, label, options, none = "") {
  const input = el("select", { id: `blow-${name}` }, options.map((one) => el("option", { value: one }, one || none)));
  const read = (net) => {
    if (name === "classes") return { classes: input.value ? [input.value] : [] };
    if (name === "outcome") return outcomesOf(net).find((one) => `${one.step} → ${one.to}` === input.value);
    return { [name]: input.value };
  };
  return field(name, label, input, "one of the list", read, name === "classes");
}

function numeric(name, label, value, limits, expects) {
  const input = el("input", { type: "number", id: `blow-${name}`, value, ...limits });
  return field(name, label, input, expects, () => ({ [name]: Number(input.value) }));
}

function day(name, label, value) {
  return numeric(name, label, value, { min: 0, max: 3650, step: "any" }, "a number of days from day 0, 0 or more");
}

function count(name, label, value) {
  return numeric(name, label, value, { min: 0, max: 100_000, step: 1 }, "a whole number, 0 or more");
}

function factor(name, label, value) {
  return numeric(name, label, value, { min: name === "factor" ? 0.01 : 0, max: 1000, step: "any" }, "a factor above 0");
}

function share(name, label, value) {
  return numeric(name, label, value, { min: 0, max: 1, step: "any" }, "a probability from 0 to 1");
}
