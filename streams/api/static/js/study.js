/** One study: how far it is, whether it will be in time, what drifts, what could be done; now, or as it was known. */

import { unitAlert } from "./alerts.js";
import { el, find, keeping, put, setText } from "./dom.js";
import { buildTop, say, showTrouble } from "./frame.js";
import { effectRows, showLineage } from "./lineage.js";
import { follow, get } from "./net.js";
import { chosen, choose, onChoice } from "./prefs.js";
import { number } from "./states.js";
import { showActions } from "./study_actions.js";
import { showCountries } from "./study_countries.js";
import { fitFan, showFan } from "./study_fan.js";
import { showFunnel } from "./study_funnel.js";
import { showFigures, showIdent } from "./study_head.js";
import { showMoney } from "./study_money.js";
import { showMoved } from "./study_moved.js";
import { showQuality } from "./study_quality.js";
import { showSites } from "./study_sites.js";
import { microseconds, rfc, setClock } from "./times.js";
import { buildTravel } from "./travel.js";

const KIND = "enrollment";
const POINTS = 600;
const MOST_CORRECTIONS = 100;
const RELOAD_MS = 60_000;
const SETTLE_MS = 1500;

const address = new URLSearchParams(location.search);
const key = address.get("key") || "";
let asked = 0;
let loaded = null;
let stop = null;
let reloading = null;

const top = buildTop();
const travel = buildTravel(momentOf(address), changeMoment);
document.title = `${key || "Study"} · twinstream`;

async function load() {
  const turn = ++asked;
  const { at, known } = travel.moment();
  const moment = { at: at === null ? null : rfc(at), known_at: known === null ? null : rfc(known) };
  const who = { kind: KIND, key };
  try {
    const twin = await get(`twins/${KIND}/${encodeURIComponent(key)}`, moment);
    setClock(twin.now);
    const [history, forecasts, alerts, corrections] = await Promise.all([
      get("history", { ...who, ...moment, points: POINTS, part: "estimates" }), get("forecasts", { ...who, ...moment }), get("alerts", { ...who, ...moment }), get("corrections", { ...who, ...moment, limit: MOST_CORRECTIONS }),
    ]);
    if (turn !== asked) return;
    showTrouble(null);
    top.mode(isLive());
    loaded = { twin, past: history.estimates ?? null, forecast: forecasts.items[0] ?? null, alerts: alerts.items, corrections: corrections.items, moment };
    travel.bounds({ event: ends(twin.extent.event_time), known: ends(twin.extent.known_at) });
    showAll();
    goOn(twin.stream);
  } catch (error) {
    if (turn === asked) showTrouble(error, load);
  }
}

function showAll() {
  const { twin, forecast, alerts, corrections } = loaded;
  const { estimate } = twin;
  const data = estimate?.data ?? null;
  showIdent(twin, alerts, isLive());
  keeping(find("figures"), () => showFigures(estimate, forecast, alerts));
  keeping(find("fan"), () => showFan(loaded));
  keeping(find("actions"), () => showActions(estimate, corrections, { live: isLive(), decided: () => { say("The decision is on the log"); reload(); } }));
  keeping(find("moved"), () => showMoved(data ? forecast : null));
  keeping(find("funnel"), () => showFunnel(data, forecast));
  keeping(find("countries"), () => showCountries(data));
  keeping(find("sites"), () => showSites(data));
  keeping(find("money"), () => showMoney(data, forecast));
  keeping(find("quality"), () => showQuality(data));
  keeping(find("alerts"), () => showAlerts(alerts));
}

function showAlerts(alerts) {
  const open = alerts.filter((alert) => alert.open).length;
  setText(find("alerts-title"), `Alerts: ${open} open`);
  const value = (one, unit) => (one === null ? null : `${number(one, 3)} ${unit.replace(/[{}]/g, "")}`);
  const from = (effect) => showLineage("An alert", [["Says", effect.data.message], ["Rule", effect.data.rule], ["Value", value(effect.data.value, effect.data.unit)], ["Limit", value(effect.data.limit, effect.data.unit)], ["Expected", effect.data.expected_at], ...effectRows(effect)], effect.id);
  put(find("alerts"), alerts.length ? el("ul", { class: "alert-list" }, alerts.map((alert) => unitAlert(alert, from))) : el("p", { class: "empty" }, isLive() ? "No alert of this study." : "No alert by then."));
}

function isLive() {
  const { at, known } = travel.moment();
  return at === null && known === null;
}

/** Follow what is said of the study. Little is said in a day, so that all is read anew. */
function goOn(stream) {
  if (stop) return;
  stop = follow({ key: [key], twin: KIND }, stream, {
    state: (word, detail) => top.connection(word, detail),
    notice: (notice) => (notice.notice === "source" ? showTrouble(notice.trouble ? { title: "No new data", message: notice.trouble } : null) : load()),
    effect: (kind, effect) => {
      if (kind === "alert" && effect.data.action === "raise") say(`New alert. ${effect.data.message}`, ["critical", "high"].includes(effect.data.priority));
      if (isLive() || kind === "alert") reload();
    },
  });
}

function reload() {
  clearTimeout(reloading);
  reloading = setTimeout(load, SETTLE_MS);
}

function changeMoment(moment) {
  const query = new URLSearchParams({ key });
  if (moment.at !== null) query.set("at", rfc(moment.at));
  if (moment.known !== null) query.set("known_at", rfc(moment.known));
  history.replaceState(null, "", `${location.pathname}?${query}`);
  say(isLive() ? "Live" : `As of ${travel.words()}`);
  load();
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

fitFan();
let themeBefore = null;
window.addEventListener("beforeprint", () => {
  themeBefore = chosen().theme;
  choose("theme", "light");
});
window.addEventListener("afterprint", () => choose("theme", themeBefore));
onChoice(() => loaded && showAll());
setInterval(() => { if (isLive() && !document.hidden) load(); }, RELOAD_MS);
if (key) load();
else showTrouble({ title: "No study named", message: "open this page from the list of all units" });
