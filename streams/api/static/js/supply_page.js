/** What the pages of single supply twins have in common: the two times, loading, following, alerts, print. */

import { unitAlert } from "./alerts.js";
import { el, find, keeping, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { effectRows, showLineage } from "./lineage.js";
import { follow, get } from "./net.js";
import { chosen, choose, onChoice } from "./prefs.js";
import { STATES, badge, number } from "./states.js";
import { KINDS, nameOf, zoned } from "./supply_words.js";
import { age, microseconds, rfc, setClock, stamp, zoneName } from "./times.js";
import { buildTravel } from "./travel.js";

export const FAMILY = "supply";
const RELOAD_MS = 60_000;
const SETTLE_MS = 1500;

/**
 * Run the page of one twin. `kind` is its kind, `load(key, moment, twin)` gives what the page needs beside the twin and its alerts,
 * `parts` are functions by section id, each drawing what was loaded: `{twin, data, alerts, moment, live, reload, ...what load gave}`.
 */
export function runPage({ kind, load: more, parts }) {
  const address = new URLSearchParams(location.search);
  const key = address.get("key") || "";
  const top = buildTop();
  const travel = buildTravel(momentOf(address), changeMoment);
  let asked = 0;
  let loaded = null;
  let stop = null;
  let settling = null;
  document.title = `${key ? nameOf(key) : KINDS[kind].word} · twinstream`;

  async function load() {
    const turn = ++asked;
    const { at, known } = travel.moment();
    const moment = { at: at === null ? null : rfc(at), known_at: known === null ? null : rfc(known) };
    try {
      const twin = await get(`twins/${FAMILY}/${encodeURIComponent(key)}`, moment);
      setClock(twin.now);
      const [alerts, rest] = await Promise.all([get("alerts", { kind: FAMILY, key, ...moment }), more(key, moment, twin)]);
      if (turn !== asked) return;
      showTrouble(null);
      top.mode(isLive());
      loaded = { key, twin, data: twin.estimate?.data ?? null, alerts: alerts.items, moment, live: isLive(), reload, ...rest };
      travel.bounds({ event: ends(twin.extent.event_time), known: ends(twin.extent.known_at) });
      show();
      goOn(twin.stream);
    } catch (error) {
      if (turn === asked) showTrouble(error, load);
    }
  }

  function show() {
    keeping(find("ident"), () => showIdent(kind, loaded));
    for (const [id, draw] of Object.entries(parts)) keeping(find(id), () => draw(loaded));
    keeping(find("alerts"), () => showAlerts(loaded));
  }

  function isLive() {
    const { at, known } = travel.moment();
    return at === null && known === null;
  }

  /** Follow what is said of the twin, and read it anew, at most so often. */
  function goOn(stream) {
    stop ??= follow({ key: [key], twin: FAMILY }, stream, {
      state: (word, detail) => top.connection(word, detail),
      notice: (notice) => (notice.notice === "source" ? showTrouble(notice.trouble ? { title: "No new data", message: notice.trouble } : null) : load()),
      effect: (what, effect) => {
        if (what === "alert" && effect.data.action === "raise") say(`New alert. ${effect.data.message}`, ["critical", "high"].includes(effect.data.priority));
        if (isLive() || what === "alert") reload();
      },
    });
  }

  function reload() {
    settling ??= setTimeout(() => { settling = null; load(); }, SETTLE_MS);
  }

  function changeMoment(moment) {
    const query = new URLSearchParams({ key });
    if (moment.at !== null) query.set("at", rfc(moment.at));
    if (moment.known !== null) query.set("known_at", rfc(moment.known));
    history.replaceState(null, "", `${location.pathname}?${query}`);
    say(isLive() ? "Live" : `As of ${travel.words()}`);
    load();
  }

  printLight();
  onChoice(() => loaded && show());
  setInterval(() => { if (isLive() && !document.hidden) load(); }, RELOAD_MS);
  if (key) load();
  else showTrouble({ title: `No ${KINDS[kind].word.toLowerCase()} named`, message: "open this page from the list of all units" });
}

/** Print in the light theme, whatever the screen shows. */
export function printLight() {
  let before = null;
  window.addEventListener("beforeprint", () => { before = chosen().theme; choose("theme", "light"); });
  window.addEventListener("afterprint", () => choose("theme", before));
}

/** Open where an effect comes from. */
export function lineage(title, effect, rows = []) {
  showLineage(title, [...rows, ...effectRows(effect)], effect.id);
}

/** Open where a raw fact comes from: `fact` as /api/v1/history gives it. */
export function factLineage(fact) {
  showLineage("A fact", [["Type", fact.type], ["Event time", fact.event_time], ["Recorded", fact.record_time], ["Known to the log", fact.known_at],
    ["Record", `${fact.topic} / partition ${fact.partition} / offset ${fact.offset}`], ["Source", fact.source], ["Id", fact.id], ["Says", JSON.stringify(fact.data)]]);
}

/** Make a figure that can be read across a room; `below` is text or nodes. */
export function figure(what, big, small, below, { onclick = null, ahead = false, name = null } = {}) {
  return el("button", { type: "button", class: `figure-box${ahead ? " ahead" : ""}`, onclick, disabled: !onclick, "data-figure": name },
    el("span", { class: "what" }, what), el("span", { class: "big" }, el("b", {}, big), small ? [" ", el("small", {}, small)] : null), el("span", { class: "range" }, below));
}

/** Show or hide a section, and fill its body. */
export function section(id, there, ...body) {
  find(id).hidden = !there;
  if (there) put(find(`${id}-body`), body);
}

/** Say that there is nothing, and what to do. */
export function empty(title, ...text) {
  return el("div", { class: "empty" }, el("strong", {}, title), text);
}

/** Give the most urgent priority among open alerts, or undefined. */
export function worstOf(alerts) {
  return alerts.filter((alert) => alert.open).map((alert) => alert.last.data.priority).sort((a, b) => STATES[b].rank - STATES[a].rank)[0];
}

function showIdent(kind, { key, twin, data, alerts, live, ident }) {
  const knownAt = twin.last_known_at ? Date.parse(twin.last_known_at) : null;
  const pair = ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  put(find("ident"),
    el("h1", {}, nameOf(key)), badge(worstOf(alerts) || (!data ? "no_data" : live && twin.stale ? "stale" : "normal")),
    el("dl", { class: "facts-row" }, pair(["What", KINDS[kind].word]), (ident ?? []).filter(([, value]) => value !== null && value !== undefined && value !== "").map(pair),
      twin.estimate ? pair(["As of", zoned(twin.estimate.event_time)]) : null, knownAt ? pair(["Last heard", `${stamp(knownAt).slice(0, 16)} ${zoneName()}`]) : null),
    live && twin.stale ? el("strong", { class: "badge is-stale stale-note" }, `Stale: nothing was heard for ${age(knownAt)}`) : null,
    el("span", { class: "spring" }), el("button", { type: "button", onclick: () => window.print() }, "Print"));
}

function showAlerts({ alerts, live }) {
  const open = alerts.filter((alert) => alert.open).length;
  setText(find("alerts-title"), `Alerts: ${open} open`);
  const value = (one, unit) => (one === null ? null : `${number(one, 3)} ${unit.replace(/[{}]/g, "")}`);
  const from = (effect) => lineage("An alert", effect, [["Says", effect.data.message], ["Rule", effect.data.rule], ["Value", value(effect.data.value, effect.data.unit)], ["Limit", value(effect.data.limit, effect.data.unit)], ["Expected", effect.data.expected_at]]);
  const first = [...alerts].sort((a, b) => b.open - a.open || (a.open ? STATES[b.last.data.priority].rank - STATES[a.last.data.priority].rank : 0));
  put(find("alerts"), alerts.length ? el("ul", { class: "alert-list" }, first.map((alert) => unitAlert(alert, from))) : el("p", { class: "empty" }, live ? "No alert stands, and none stood." : "No alert by then."));
}

function momentOf(query) {
  const read = (name) => {
    const us = query.get(name) ? microseconds(query.get(name)) : null;
    return Number.isFinite(us) ? us : null;
  };
  return { at: read("at"), known: read("known_at") };
}

function ends(pair) {
  return pair ? pair.map(microseconds) : null;
}
