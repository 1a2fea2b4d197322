/** What a twin asked to have simulated anew: why, when, what its budget allows, what the pool made of it, and what was found. */

import { comparison, loadComparison } from "./before_after.js";
import { el, find, keeping, put, setText } from "./dom.js";
import { jobLink, progressOf } from "./job_words.js";
import { effectRows, showLineage } from "./lineage.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { stamp } from "./times.js";

const SHOWN = 20;
const state = { quantity: null, chart: null }; // of the comparison, kept between drawings
let shown = null; // {requests, jobs, adopted}
let chosen = null; // the id of the job that is compared; null: the newest that was answered
let compared = null; // what was loaded of it
let failed = ""; // why it could not be loaded
let loading = "";

/** Show the answers of /api/v1/requests and /api/v1/jobs; nothing where nothing was asked and nothing could be. `adopted` hears that a person adopted. */
export function showRequests(requests, jobs, adopted) {
  shown = { requests, jobs, adopted };
  if (compared && jobs.find((job) => job.id === compared.job.id)?.finished_at !== compared.job.finished_at) compared = null;
  draw();
  compare();
}

/** Take a job's progress in; gives whether it is one of those shown, and has ended. */
export function requestProgress(progress) {
  const job = shown?.jobs.find((one) => one.id === progress.job);
  if (!job) return false;
  const ended = job.state !== progress.state;
  Object.assign(job, { state: progress.state, share: progress.share, note: progress.note, rates: progress.rates });
  const cell = document.querySelector(`#requests [data-progress="${CSS.escape(job.id)}"]`);
  if (cell) put(cell, progressOf(job));
  return ended;
}

/** Load what is compared anew, as after an adoption. */
export function forgetComparison() {
  compared = null;
}

/** Fit the chart to another width. */
export function resizeRequests() {
  if (compared) drawComparison();
}

function draw() {
  const { requests: found, jobs } = shown;
  const { budget } = found;
  const own = jobs.filter((job) => job.id.startsWith("api/"));
  find("requests").hidden = !found.total && !found.budget && !own.length;
  setText(find("requests-title"), `Re-simulation requests: ${found.total + own.length}`);
  put(find("requests-body"),
    budget ? el("p", { class: "muted" }, `Budget: ${budget.most_a_day} in a day of UTC, ${number(budget.cooldown_hours)} h between two.`) : null,
    found.total ? list(found) : el("p", { class: "muted" }, "None was asked by then."),
    found.total > SHOWN ? el("p", { class: "muted" }, `The newest ${SHOWN} of ${found.total}; /api/v1/requests has more.`) : null,
    own.length ? scrolling("What persons asked", tableOf("Asked by persons, whatever moment is shown; the newest first", ["Asked", "Why", "By", "Job"], own.slice(0, SHOWN).map((job) => [time(job.asked_at), el("span", { class: "reason" }, job.reasons.join("; ")), job.asked_by, jobCell(job)]))) : null,
    el("div", { id: "compare-body" }));
  drawComparison();
}

function list({ items, budget }) {
  return scrolling("Re-simulation requests", tableOf("Each asks a job of the advisory lane; the newest first", ["When", "Why", ["Of that day", "n"], "Asked for", "Priority", "Job, as it is now", "From"],
    items.slice(0, SHOWN).map((effect) => {
      const { spec, reason, priority } = effect.data;
      const spent = budget && effect.nth_that_day >= budget.most_a_day;
      const nth = budget ? `${effect.nth_that_day} of ${budget.most_a_day}` : String(effect.nth_that_day);
      const job = jobOf(effect);
      return [time(effect.event_time), el("span", { class: "reason" }, reason), spent ? sign("watch", `${nth}, the last`) : nth, `${spec.model}: ${spec.draws} draws, ${number(spec.horizon)} h ahead`, priority.replaceAll("_", " "),
        job ? jobCell(job) : el("span", { class: "muted" }, "not taken in yet, or part of another's"),
        el("button", { type: "button", class: "small", onclick: () => lineage(effect) }, effect.id)];
    })));
}

function jobOf(effect) {
  return shown.jobs.find((job) => job.id === effect.id) || null;
}

function jobCell(job) {
  return el("span", { class: "job-cell" },
    el("span", { "data-progress": job.id }, progressOf(job)), " ", el("a", { href: jobLink(job.id) }, "Job"), " ",
    comparable(job) ? el("button", { type: "button", class: "small", "aria-pressed": String(picked()?.id === job.id), onclick: () => choose(job) }, "Before and after") : null);
}

function comparable(job) {
  return job.state === "done" && job.kind.endsWith(".reestimate");
}

function picked() {
  const found = shown.jobs.filter(comparable);
  return found.find((job) => job.id === chosen) || found[0] || null;
}

function choose(job) {
  chosen = job.id;
  keeping(find("requests-body"), draw);
  compare();
}

async function compare() {
  const job = picked();
  if (!job || compared?.job.id === job.id || loading === job.id) return;
  loading = job.id;
  try {
    const found = await loadComparison(job.id);
    if (picked()?.id === found.job.id && found.job.result) compared = found;
    failed = "";
  } catch (error) {
    failed = error.message;
  } finally {
    loading = "";
  }
  drawComparison();
  if (picked() && picked().id !== job.id) compare();
}

function drawComparison() {
  const box = find("compare-body");
  const job = picked();
  if (!box) return;
  if (!job) put(box);
  else if (compared?.job.id === job.id) put(box, comparison(compared, { adopted: shown.adopted, state }));
  else put(box, el("p", { class: "muted" }, failed ? `The answer cannot be shown: ${failed}` : "Loading the answer …"));
}

function time(text) {
  return el("time", { datetime: text }, stamp(Date.parse(text)));
}

function lineage(effect) {
  const { spec, reason, priority, content_hash: hash } = effect.data;
  showLineage("A request for a re-simulation", [
    ["Because", reason], ["Priority", priority], ["Model", spec.model], ["Draws", spec.draws], ["Ahead", `${number(spec.horizon)} h`], ["Seed", spec.seed], ["Specification's hash", hash],
    ...effectRows(effect).map(([name, value]) => [name === "Model" ? "Asked by" : name, value]),
  ], effect.id);
}
