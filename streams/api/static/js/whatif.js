/** What if: choose a network, choose blows, ask the re-simulation pool, and see the difference against how it stands. */

import { el, find, keeping, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { UNDER_WAY, jobLink, jobPath, progressOf } from "./job_words.js";
import { get, getText, post } from "./net.js";
import { onChoice } from "./prefs.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { FAMILY, empty, printLight, section } from "./supply_page.js";
import { nameOf, supplyLink, zoned } from "./supply_words.js";
import { setClock } from "./times.js";
import { showAnswer } from "./whatif_answer.js";
import { showForm } from "./whatif_form.js";

const POLL_MS = 1000;
const MOST_EARLIER = 15;
const PATIENCE = 60; // polls of a job that is not in the ledger yet; one that asks what another asks never comes

const address = new URLSearchParams(location.search);
const state = { key: address.get("key") || "", networks: [], base: null, job: address.get("job"), answer: null, polling: 0 };

buildTop({ streaming: false });

async function load() {
  try {
    const found = await get("twins", { kind: FAMILY, q: "network:", limit: 200, sort: "name" });
    setClock(found.now);
    showTrouble(null);
    state.networks = found.items.map((item) => item.key).filter((key) => key.startsWith("network:"));
    if (!state.networks.includes(state.key)) state.key = state.networks[0] ?? "";
    if (state.key) await choose(state.key, state.job);
    else show();
  } catch (error) {
    showTrouble(error, load);
  }
}

async function choose(key, job = null) {
  Object.assign(state, { key, base: null, job, answer: null });
  try {
    state.base = await baseOf(key);
    showTrouble(null);
  } catch (error) {
    showTrouble(error, () => choose(key, job));
  }
  show();
  await Promise.all([showEarlier(), job ? follow(job) : null]);
}

/** Give the network's document as it stands: what its twin asked last, else what it was described as, with nobody in it. */
async function baseOf(key) {
  const requests = await get("requests", { kind: FAMILY, key, limit: 20 });
  const newest = requests.items.find((one) => one.data.spec.kind === FAMILY);
  if (newest) return { network: newest.data.spec.inputs.network, spec: newest.data.spec, at: newest.event_time, asked: true };
  const twin = await get(`twins/${FAMILY}/${encodeURIComponent(key)}`);
  const first = twin.extent.event_time?.[0];
  if (!first) return null;
  const found = await get("history", { kind: FAMILY, key, start: new Date(Date.parse(first) - 8.64e7).toISOString(), points: 2, part: "facts" });
  const described = found.facts.filter((fact) => fact.type === "supply.network_described").at(-1);
  return described ? { network: described.data.spec, spec: null, at: described.event_time, asked: false } : null;
}

function show() {
  put(find("ident"), el("h1", {}, "What if"), state.key ? el("a", { href: supplyLink(state.key) }, `Network ${nameOf(state.key)}`) : null, el("span", { class: "spring" }), el("button", { type: "button", onclick: () => window.print() }, "Print"));
  if (!state.key) return put(find("question-body"), empty("No network was heard of yet", "Send ", el("code", {}, "supply.network_described"), " with its document (docs/supply_network.md) to ", el("code", {}, "POST /api/v1/events"), "."));
  if (!state.base) return put(find("question-body"), empty("This network's document is not known", "It is when the twin was told ", el("code", {}, "supply.network_described"), "."));
  keeping(find("question-body"), () => showForm(state, { choose, ask }));
}

async function ask(wish) {
  const { id } = await post("jobs", { twin_kind: FAMILY, twin_key: state.key, priority: "what_if", ...wish });
  say("The question is on the log");
  state.job = id;
  history.replaceState(null, "", `${location.pathname}?${new URLSearchParams({ key: state.key, job: id })}`);
  follow(id);
}

/** Watch a job until it has ended, then show its answer. */
async function follow(id) {
  const turn = ++state.polling;
  section("answer", true, el("p", { class: "muted" }, "Waiting for the pool to hear of it…"));
  for (let tries = 0; turn === state.polling; tries += 1) {
    try {
      const job = await get(jobPath(id));
      if (turn !== state.polling) return;
      if (!UNDER_WAY.includes(job.state)) return await ended(job, turn);
      section("answer", true, el("p", {}, progressOf(job)), el("p", {}, el("a", { href: jobLink(id) }, "The job"), job.state === "queued" ? " waits; `twinstream worker` runs it." : ""));
    } catch (error) {
      if (turn !== state.polling) return;
      if (error.status !== 404) return showTrouble(error, () => follow(id));
      if (tries >= PATIENCE) return section("answer", true, empty("The pool has not heard of it", "It may have joined a question that asks the same, or no dispatcher runs. ", el("a", { href: "/jobs" }, "The jobs page"), " lists what waits. ", el("button", { type: "button", onclick: () => follow(id) }, "Look again")));
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function ended(job, turn) {
  if (job.state !== "done") {
    section("answer", true, sign("bad", `The job ${job.state}`), el("p", {}, job.error || "No reason is known."), el("p", {}, el("a", { href: jobLink(job.id) }, "The job")));
    return;
  }
  const answer = job.has_document ? JSON.parse(await getText(`/api/v1/${jobPath(job.id)}/document`)) : job.result.summary;
  if (turn !== state.polling) return;
  state.answer = { job, answer };
  say("The answer is here");
  drawAnswer();
  showEarlier();
}

function drawAnswer() {
  if (state.answer) keeping(find("answer-body"), () => showAnswer(state.answer, state.base));
}

async function showEarlier() {
  const found = await get("jobs", { twin_kind: FAMILY, twin_key: state.key, kind: FAMILY, priority: "what_if", limit: 100 });
  const asked = found.items.filter((job) => job.id.startsWith("api/")).slice(0, MOST_EARLIER);
  setText(find("earlier-title"), `Earlier questions: ${asked.length}`);
  section("earlier", asked.length > 0, scrolling("Questions, the newest first", tableOf("The newest first", ["Asked", "By", "Why", "State", "Answer"], asked.map((job) => [
    zoned(job.asked_at), job.asked_by, el("span", { class: "reason" }, job.reasons.join("; ")), progressOf(job), job.state === "done" ? el("button", { type: "button", class: "small", onclick: () => { state.job = job.id; follow(job.id); find("answer").scrollIntoView(); } }, "Show") : el("a", { href: jobLink(job.id) }, "The job")]))));
}

printLight();
onChoice((name) => {
  if (name !== "clock") return;
  show();
  drawAnswer();
});
load();
