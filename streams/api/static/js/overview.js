/** All units at a glance: one page of them, live, with what is wrong first. */

import { openAlert } from "./alerts.js";
import { drawUnit, freshness } from "./cards.js";
import { el, find, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { follow, get } from "./net.js";
import { onChoice } from "./prefs.js";
import { STATES, symbol } from "./states.js";
import { grouped } from "./supply_cards.js";
import { age, now, setClock } from "./times.js";

const SIZES = { cards: 40, tiles: 600, table: 100 };
const WORDS = { cards: "Cards", tiles: "Tiles", table: "Table" };
const FEW = 80; // up to so many units are shown as cards unless a person says else
const RELOAD_MS = 20_000; // counts and staleness change without a message
const ALERT_MS = 400; // alerts come in swarms; load once for a swarm
const SHOWN_ALERTS = 60;
const LONGEST_KEYS = 8000; // characters in the stream's address

const address = new URLSearchParams(location.search);
const wish = {
  q: address.get("q") || "",
  states: address.getAll("state").filter((state) => state in STATES),
  sort: address.get("sort") || "urgency",
  view: address.get("view") in SIZES ? address.get("view") : null,
};
const items = new Map();
const nodes = new Map();
const sparks = new Map();
const dirty = new Set();
const before = []; // cursors of the pages already left
let cursor = null;
let next = null;
let stop = null;
let following = "";
let known = null; // open alerts already told of
let asked = 0;
let alertTimer = null;

const top = buildTop();

async function load() {
  const turn = ++asked;
  try {
    const view = wish.view || "cards";
    const params = { q: wish.q, state: wish.states, sort: wish.sort, limit: SIZES[view], cursor };
    const [page, alerts] = await Promise.all([get("twins", params), get("alerts", { limit: SHOWN_ALERTS })]);
    if (turn !== asked) return;
    setClock(page.now);
    showTrouble(null);
    if (wish.view === null) {
      wish.view = page.counts.all > FEW ? "tiles" : "cards";
      if (wish.view !== "cards") return load();
    }
    next = page.next;
    items.clear();
    for (const item of page.items) items.set(item.key, item);
    showChips(page.counts);
    showViews();
    showUnits(page.counts.all);
    showPager();
    showAlerts(alerts);
    goOn(page);
    await loadSparks();
  } catch (error) {
    if (turn === asked) showTrouble(error, load);
  }
}

function showUnits(all) {
  const held = document.activeElement?.closest("[data-key]")?.dataset.key;
  nodes.clear();
  const groups = grouped([...items.values()], wish.sort);
  const drawn = groups.map(([name, members]) => [name, members.map((item) => {
    const node = drawUnit(wish.view, item, sparks.get(item.key));
    nodes.set(item.key, node);
    return node;
  })]);
  const box = (name, of) => (wish.view === "table" ? tableOf(of, name) : el("ul", { class: wish.view, "aria-label": name }, of));
  if (!drawn.length) put(find("units"), nothing(all));
  else if (drawn.length === 1) put(find("units"), box(...drawn[0]));
  else put(find("units"), drawn.map(([name, of]) => [el("h2", { class: "group-head" }, `${name}: ${of.length}`), box(name, of)]));
  if (held) nodes.get(held)?.querySelector("a").focus({ preventScroll: true });
}

function tableOf(rows, name) {
  const heads = [["State"], ["Unit"], ["Batch"], ["Phase"], ["Hours", "n"], ["Biomass", "n"], ["µ [1/h]", "n"], ["Alerts", "n"], ["Most urgent"], ["Known"]];
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, el("table", { class: "list" },
    el("thead", {}, el("tr", {}, heads.map(([word, kind]) => el("th", { scope: "col", class: kind }, word)))), el("tbody", {}, rows)));
}

function nothing(all) {
  if (all || wish.q || wish.states.length) {
    return el("div", { class: "empty" }, el("strong", {}, "No unit matches"), "Change the search or the states above, or ",
      el("button", { type: "button", onclick: showAll }, "show all units"));
  }
  return el("div", { class: "empty" }, el("strong", {}, "No unit has been heard of yet"),
    "Start simulated bioreactors with ", el("code", {}, "twinstream up"), ", play a recorded run with ", el("code", {}, "twinstream replay FILE"),
    ", or send an event to ", el("code", {}, "POST /api/v1/events"), ". Units appear here with their first reading, studies, patients, boxes, rooms and networks with their first fact.");
}

function showAll() {
  wish.q = "";
  wish.states = [];
  find("search").value = "";
  change();
}

function showChips(counts) {
  const chips = find("chips");
  const held = chips.contains(document.activeElement) ? document.activeElement.value : null;
  const drawn = Object.keys(STATES).map((state) => {
    const input = el("input", { type: "checkbox", value: state, onchange: pickStates });
    input.checked = wish.states.includes(state);
    return el("label", { class: "chip", "data-none": counts[state] ? null : "" }, input,
      el("span", {}, symbol(state, 15), el("b", {}, counts[state].toLocaleString("en")), el("em", {}, STATES[state].word.toLowerCase())));
  });
  put(chips, chips.querySelector("legend"), drawn);
  if (held) chips.querySelector(`input[value="${held}"]`)?.focus();
}

function pickStates() {
  wish.states = [...find("chips").querySelectorAll("input:checked")].map((input) => input.value);
  change();
}

function showViews() {
  const views = find("views");
  const held = views.contains(document.activeElement);
  put(views, views.querySelector("legend"), Object.entries(WORDS).map(([view, word]) => {
    const input = el("input", { type: "radio", name: "view", value: view, onchange: () => { wish.view = view; change(); } });
    input.checked = wish.view === view;
    return el("label", {}, input, el("span", {}, word));
  }));
  if (held) views.querySelector("input:checked")?.focus();
}

function showPager() {
  const first = before.length * SIZES[wish.view] + 1;
  put(find("pager"), before.length || next ? [
    el("span", {}, items.size ? `${first.toLocaleString("en")} to ${(first + items.size - 1).toLocaleString("en")}` : ""),
    el("button", { type: "button", disabled: !before.length, onclick: () => turnTo(before.pop() ?? null) }, "Previous page"),
    el("button", { type: "button", disabled: !next, onclick: () => { before.push(cursor); turnTo(next); } }, "Next page"),
  ] : []);
}

function turnTo(place) {
  cursor = place;
  load();
}

function showAlerts(alerts) {
  setText(find("alerts-title"), alerts.total ? `Open alerts: ${alerts.total.toLocaleString("en")}` : "Open alerts");
  const rest = alerts.total - alerts.items.length;
  put(find("alerts"), alerts.items.length
    ? [el("ul", { class: "alert-list" }, alerts.items.map(openAlert)), rest > 0 ? el("p", { class: "muted" }, `and ${rest.toLocaleString("en")} more; choose a state above to list their units`) : null]
    : el("p", { class: "empty" }, "None. All quiet."));
  const fresh = known === null ? [] : alerts.items.filter((alert) => !known.has(alert.alert));
  known = new Set(alerts.items.map((alert) => alert.alert));
  for (const node of find("alerts").querySelectorAll("[data-alert]")) {
    if (fresh.some((alert) => alert.alert === node.dataset.alert)) node.classList.add("fresh");
  }
  if (!fresh.length) return;
  const urgent = fresh.some((alert) => ["critical", "high"].includes(alert.last.data.priority));
  const first = fresh[0];
  say(`${fresh.length > 1 ? `${fresh.length} new alerts. ` : "New alert. "}${first.key}: ${first.last.data.message}`, urgent);
}

/** Follow what is on the page; the alerts of all. The stream begins where the page was read. */
function goOn(page) {
  const names = [...items.keys()].sort();
  const keys = names.join("").length > LONGEST_KEYS ? [] : names; // none means all: more to read, but no address too long
  const wanted = JSON.stringify(keys);
  if (stop && wanted === following) return;
  if (stop) stop();
  following = wanted;
  stop = follow({ kind: ["estimate", "alert"], key: keys, every_alert: true }, page.stream, {
    state: top.connection,
    notice: (notice) => {
      if (notice.notice === "source") showTrouble(notice.trouble ? { title: "No new data", message: notice.trouble } : null);
      else load();
    },
    effect: (kind, effect) => {
      if (kind === "alert") soon();
      else take(effect);
    },
  });
}

function take(effect) {
  const item = items.get(effect.key);
  if (item && item.kind !== "bioreactor") return soon(); // it says little in a day, and its page of the ledger holds all of it
  if (!item || (item.event_time && Date.parse(item.event_time) > Date.parse(effect.event_time))) return;
  const data = effect.data;
  if (item.batch !== data.batch || item.state === "ended") soon(); // a run began: what it is now is the ledger's to say
  Object.assign(item, {
    batch: data.batch, phase: data.phase, hours: data.hours, biomass: data.state.biomass, growth_rate: data.state.growth_rate,
    event_time: effect.event_time, known_at: new Date(now()).toISOString(), stale: false, estimate_id: effect.id,
  });
  if (!item.open_alerts && item.state !== "ended") item.state = "normal";
  const spark = sparks.get(item.key);
  if (spark && data.state.biomass) {
    spark.t.push(Date.parse(effect.event_time) * 1000);
    for (const name of ["mean", "low", "high"]) spark[name].push(data.state.biomass[name]);
  }
  dirty.add(item.key);
}

/** Redraw what changed, at most twice a second. */
function redraw() {
  for (const key of dirty) {
    const item = items.get(key);
    const old = nodes.get(key);
    if (!item || !old) continue;
    const held = old.contains(document.activeElement);
    const node = drawUnit(wish.view, item, sparks.get(key));
    old.replaceWith(node);
    nodes.set(key, node);
    if (held) node.querySelector("a").focus({ preventScroll: true });
  }
  dirty.clear();
}

/** Ages grow without a message. */
function grow() {
  for (const [key, item] of items) {
    const node = nodes.get(key)?.querySelector("[data-fresh]");
    if (node) setText(node, freshness(item));
  }
  for (const node of document.querySelectorAll("[data-since]")) setText(node, age(Number(node.dataset.since)));
}

function soon() {
  clearTimeout(alertTimer);
  alertTimer = setTimeout(load, ALERT_MS);
}

async function loadSparks() {
  if (wish.view !== "cards") return;
  const missing = [...items.values()].filter((item) => !sparks.has(item.key) && item.estimate_id && item.kind === "bioreactor");
  for (const kind of new Set(missing.map((item) => item.kind))) {
    const found = await get("sparks", { kind, key: missing.filter((item) => item.kind === kind).map((item) => item.key) });
    for (const [key, spark] of Object.entries(found.sparks)) {
      sparks.set(key, spark);
      dirty.add(key);
    }
  }
}

function change() {
  cursor = null;
  before.length = 0;
  const query = new URLSearchParams();
  if (wish.q) query.set("q", wish.q);
  for (const state of wish.states) query.append("state", state);
  if (wish.sort !== "urgency") query.set("sort", wish.sort);
  if (wish.view) query.set("view", wish.view);
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
  load();
}

/** Arrow keys walk the grid; `/` goes to the search. */
function onKey(event) {
  if (event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    find("search").focus();
    return;
  }
  const from = event.target.closest?.("li[data-key]");
  if (!from || !event.key.startsWith("Arrow")) return;
  const all = [...nodes.values()];
  const at = all.indexOf(from);
  const columns = Math.max(1, all.findIndex((node) => node.offsetTop > all[0].offsetTop));
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const to = all[at + step];
  if (!to) return;
  event.preventDefault();
  to.querySelector("a").focus();
}

let typing = null;
find("search").value = wish.q;
find("sort").value = wish.sort;
find("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => { wish.q = event.target.value.trim(); change(); }, 250);
});
find("sort").addEventListener("change", (event) => { wish.sort = event.target.value; change(); });
find("tools").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", onKey);
onChoice(load);
setInterval(redraw, 500);
setInterval(grow, 5000);
setInterval(load, RELOAD_MS);
load();
