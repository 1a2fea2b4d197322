/** The re-simulation pool: what waits, runs and was answered, for whom, on which device, at what cost; live. */

import { unitLink } from "./alerts.js";
import { el, find, keeping, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { openJob } from "./job_detail.js";
import { PRIORITIES, UNDER_WAY, lasting, progressOf } from "./job_words.js";
import { follow, get } from "./net.js";
import { chosen, choose, onChoice } from "./prefs.js";
import { scrolling, sign, tableOf } from "./signs.js";
import { number } from "./states.js";
import { age, now, setClock, stamp, zoneName } from "./times.js";

const PAGE = 50;
const MOST_ROWS = 500;
const RELOAD_MS = 15_000; // ages and budgets change without a word
const SETTLE_MS = 700; // jobs come in swarms; load once for a swarm
const SETTLE_SHARE = 10; // and wait this many times as long as the last load took
const VIEWS = [["way", "Under way"], ["all", "All"], ["done", "Answered"], ["failed", "Failed"], ["cancelled", "Cancelled"]];

const address = new URLSearchParams(location.search);
const wish = { view: VIEWS.some(([name]) => name === address.get("view")) ? address.get("view") : "way", priority: address.get("priority") in PRIORITIES ? address.get("priority") : "", kind: address.get("kind") || "", twin_kind: address.get("twin_kind"), twin_key: address.get("twin_key") };
const top = buildTop();
let items = [];
let next = null;
let kinds = [];
let asked = 0;
let settling = null;
let took = 0;

async function load(more = false) {
  const turn = ++asked;
  const began = performance.now();
  const wanted = { order: wish.view === "way" ? "next" : "newest", state: ["way", "all"].includes(wish.view) ? [] : [wish.view], priority: wish.priority, kind: wish.kind, twin_kind: wish.twin_kind, twin_key: wish.twin_key };
  try {
    const limit = more ? PAGE : Math.min(MOST_ROWS, Math.max(PAGE, items.length));
    const [page, summary] = await Promise.all([get("jobs", { ...wanted, limit, cursor: more ? next : null }), get("jobs/summary")]);
    if (turn !== asked) return;
    took = performance.now() - began;
    setClock(page.now);
    showTrouble(null);
    items = more ? [...items, ...page.items] : page.items;
    next = page.next;
    showSummary(summary);
    keeping(find("list"), showList);
    showPager();
  } catch (error) {
    if (turn === asked) showTrouble(error, () => load());
  }
}

function showSummary(found) {
  const sum = (rows, of) => rows.reduce((all, row) => all + of(row), 0);
  const waiting = found.queue.filter((row) => row.state === "queued");
  const running = sum(found.devices, (row) => row.running);
  const oldest = Math.max(0, ...waiting.map((row) => row.oldest_seconds));
  const ended = (outcome) => sum(found.day.filter((row) => row.outcome === outcome), (row) => row.count);
  setText(find("shown-at"), `as of ${stamp(now())} ${zoneName()}`);
  put(find("glance"),
    Object.entries(PRIORITIES).map(([name, word]) => {
      const rows = waiting.filter((row) => row.priority === name);
      return figure(`Wait: ${word}`, String(sum(rows, (row) => row.count)), rows.length ? `oldest ${lasting(Math.max(...rows.map((row) => row.oldest_seconds)))}` : "none");
    }),
    figure("Run", String(running), found.expired ? sign("bad", `${found.expired} whose lease ran out`) : waiting.length ? `oldest that waits ${lasting(oldest)}` : "nothing waits"),
    figure("Ended in 24 h", String(sum(found.day, (row) => row.count)), `${ended("done")} answered (${sum(found.day, (row) => row.cached)} from before), ${ended("failed")} failed`));
  put(find("devices"), found.devices.length ? scrolling("Devices", tableOf("", ["Device", ["Jobs", "n"], ["Workers", "n"], "Leases"], found.devices.map((row) => [row.device || "not said yet", String(row.running), String(row.workers), row.expired ? sign("bad", `${row.expired} ran out`) : sign("good", "held")]))) : el("p", { class: "muted" }, "None: nothing runs."));
  put(find("cost"), cost(found));
  kinds = [...new Set([...kinds, wish.kind, ...found.queue.map((row) => row.kind), ...found.day.map((row) => row.kind)].filter(Boolean))].sort();
  showKinds();
}

function figure(what, big, range) {
  return el("div", {}, el("span", { class: "what" }, what), el("span", { class: "big" }, big), el("span", { class: "range" }, range));
}

function cost({ spent, budgets }) {
  if (!spent.length && !budgets.length) return el("p", { class: "muted" }, "Nothing was spent, and no budget is set.");
  const budgetOf = (tenant, kind) => budgets.find((one) => one.tenant === tenant && one.kind === kind) || budgets.find((one) => one.tenant === tenant && one.kind === "*");
  const idle = budgets.filter((one) => !spent.some((row) => budgetOf(row.tenant, row.kind) === one));
  const left = (one) => (one ? (one.left_seconds > 0 ? sign("good", `${lasting(one.left_seconds)} left, ${number(one.seconds_per_hour)} s an hour`) : sign("watch", "used up; waits until it fills")) : "no bound");
  return scrolling("Cost", tableOf("", ["Tenant", "Engine", ["Jobs", "n"], ["Device time", "n"], "Budget"], [
    ...spent.map((row) => [row.tenant, row.kind, String(row.jobs), lasting(row.seconds), left(budgetOf(row.tenant, row.kind))]),
    ...idle.map((one) => [one.tenant, one.kind === "*" ? "any" : one.kind, "0", "–", left(one)])]));
}

function showList() {
  setText(find("list-title"), `Jobs: ${items.length}${next ? ", and more" : ""}`);
  setText(find("filter"), wish.twin_key ? `Only of ${wish.twin_kind} ${wish.twin_key}` : "");
  if (!items.length) {
    put(find("list"), el("div", { class: "empty" }, el("strong", {}, wish.view === "way" ? "Nothing waits, and nothing runs" : "No such job"), wish.view === "way" ? "A twin asks when its model and its world part; a person asks by POST /api/v1/jobs. Choose `All` for what was answered." : "Choose another state, priority or engine."));
    return;
  }
  put(find("list"), scrolling("Jobs", tableOf(wish.view === "way" ? "In the order in which they run, those that run with them" : "The newest first", ["Job", "Of", "Engine", "Priority", "State", ["Age", "n"], "Asked by", "Why", "Deadline", "Device", ["Device time", "n"]], items.map(rowOf))));
}

function rowOf(job) {
  const since = UNDER_WAY.includes(job.state) ? job.asked_at : job.finished_at;
  return [
    el("button", { type: "button", class: "small", "data-job": job.id, onclick: () => open(job.id) }, job.id),
    el("a", { href: unitLink(job.twin_kind, job.twin_key) }, job.twin_key), job.kind, PRIORITIES[job.priority], el("span", { "data-progress": job.id }, progressOf(job)),
    el("time", { datetime: since, title: stamp(Date.parse(since)) }, UNDER_WAY.includes(job.state) ? age(Date.parse(since)) : `${age(Date.parse(since))} ago`),
    job.asked_by, el("span", { class: "reason" }, job.reasons.join("; ")), job.deadline ? el("time", { datetime: job.deadline }, stamp(Date.parse(job.deadline))) : "–", job.device || "–", job.seconds ? lasting(job.seconds) : "–",
  ];
}

function showPager() {
  put(find("pager"), next && items.length < MOST_ROWS ? el("button", { type: "button", onclick: () => load(true) }, `Show ${PAGE} more`) : next ? el("span", {}, `The first ${MOST_ROWS}; /api/v1/jobs has all`) : null);
}

function showKinds() {
  const select = find("kind");
  if (select.options.length !== kinds.length + 1) put(select, el("option", { value: "" }, "all"), kinds.map((name) => el("option", { value: name }, name)));
  select.value = wish.kind;
}

async function open(id) {
  try {
    await openJob(id, () => load());
    history.replaceState(null, "", `${location.pathname}?${query(id)}`);
  } catch (error) {
    showTrouble(error, () => open(id));
  }
}

/** Take a word of the stream: progress goes into its row, anything else is loaded once things settle. */
function take(kind, body) {
  if (kind === "present") return settle();
  const job = items.find((one) => one.id === body.job);
  if (!job || job.state !== body.state) {
    if (job && body.state === "failed") say(`Job ${job.id} of ${job.twin_key} failed`, job.priority === "patient_safety");
    return settle();
  }
  Object.assign(job, { share: body.share, note: body.note, rates: body.rates });
  const cell = document.querySelector(`[data-progress="${CSS.escape(job.id)}"]`);
  if (cell) put(cell, progressOf(job));
}

function settle() {
  settling ??= setTimeout(() => { settling = null; load(); }, Math.max(SETTLE_MS, SETTLE_SHARE * took));
}

function query(job = null) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(wish)) if (value && !(name === "view" && value === "way")) made.set(name, value);
  if (job) made.set("job", job);
  return made;
}

function change() {
  items = [];
  next = null;
  history.replaceState(null, "", `${location.pathname}?${query()}`);
  load();
}

function showTools() {
  const states = find("states");
  put(states, states.querySelector("legend"), VIEWS.map(([value, word]) => {
    const input = el("input", { type: "radio", name: "view", value, onchange: () => { wish.view = value; change(); } });
    input.checked = wish.view === value;
    return el("label", {}, input, el("span", {}, word));
  }));
  put(find("priority"), el("option", { value: "" }, "all"), Object.entries(PRIORITIES).map(([value, word]) => el("option", { value }, word)));
  find("priority").value = wish.priority;
  showKinds();
}

find("priority").addEventListener("change", (event) => { wish.priority = event.target.value; change(); });
find("kind").addEventListener("change", (event) => { wish.kind = event.target.value; change(); });
find("tools").addEventListener("submit", (event) => event.preventDefault());
find("print").addEventListener("click", () => window.print());
find("job").addEventListener("close", () => history.replaceState(null, "", `${location.pathname}?${query()}`));
let themeBefore = null;
window.addEventListener("beforeprint", () => { themeBefore = chosen().theme; choose("theme", "light"); });
window.addEventListener("afterprint", () => choose("theme", themeBefore));
onChoice((name) => { if (name === "clock") load(); });
setInterval(() => { if (!document.hidden) load(); }, RELOAD_MS);
showTools();
load();
follow({}, null, {
  state: (word, detail) => top.connection(word, detail),
  notice: (notice) => showTrouble(notice.trouble ? { title: "No new data", message: notice.trouble } : null),
  effect: take,
}, "jobs/stream");
if (address.get("job")) open(address.get("job"));
