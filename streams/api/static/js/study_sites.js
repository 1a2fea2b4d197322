/** Sites by health: sortable, filtered, in pages, so that 5,000 of them stay quick. */

import { el, find, put, setText } from "./dom.js";
import { interval } from "./study_countries.js";
import { sign } from "./signs.js";
import { number } from "./states.js";
import { day, percent, range } from "./study_words.js";

const PAGE = 50;
const BELOW = 0.8; // probability from which a site is said to be below its plan
const MAYBE = 0.5;
const COLUMNS = [
  { key: "rank", word: "Rank", n: true }, { key: "name", word: "Site" }, { key: "country", word: "Country" }, { key: "status", word: "Status" },
  { key: "below", word: "Below half of plan", n: true, down: true }, { key: "counted", word: "Counted", n: true, down: true }, { key: "screened", word: "Screened", n: true, down: true },
  { key: "failed", word: "Failed", n: true, down: true }, { key: "rate", word: "Rate a month", n: true, down: true }, { key: null, word: "Interval" }, { key: "opened", word: "Opened" },
];
const wish = { sort: "rank", down: false, text: "", country: "", status: "", page: 0 };
let sites = [];
let most = 1;

/** Show the sites of an estimate's data. */
export function showSites(data) {
  find("sites").hidden = !data;
  if (!data) return;
  const columns = data.sites;
  sites = columns.names.map((name, i) => ({
    name, country: columns.country[i], status: columns.status[i], opened: columns.opened[i], screened: columns.screened[i], failed: columns.failed[i], counted: columns.counted[i],
    rate: columns.rate[i], low: columns.rate_low[i], high: columns.rate_high[i], below: columns.below_plan[i], rank: columns.rank[i],
  }));
  most = sites.reduce((high, site) => Math.max(high, site.high), 0.1);
  setText(find("sites-title"), `Sites: ${sites.length.toLocaleString("en")}`);
  if (!sites.length) return put(find("sites-body"), el("p", { class: "muted" }, "The plan names no site yet."));
  if (!find("sites-table")) build();
  choices("sites-country", "All countries", sites.map((site) => site.country), "country");
  choices("sites-status", "Any status", sites.map((site) => site.status), "status");
  draw();
}

function build() {
  const search = el("input", { type: "search", id: "sites-search", placeholder: "Search site", maxlength: 128, autocomplete: "off", spellcheck: "false", value: wish.text, oninput: (event) => pick("text", event.target.value.trim()) });
  put(find("sites-body"),
    el("div", { class: "fan-tools" }, el("label", { class: "field" }, el("span", { class: "unseen" }, "Search site"), search),
      el("label", { class: "field" }, el("span", { class: "unseen" }, "Country"), el("select", { id: "sites-country", onchange: (event) => pick("country", event.target.value) })),
      el("label", { class: "field" }, el("span", { class: "unseen" }, "Status"), el("select", { id: "sites-status", onchange: (event) => pick("status", event.target.value) })),
      el("span", { class: "spring" }), el("span", { class: "muted", id: "sites-count", role: "status" })),
    el("p", { class: "muted" }, `A single site tells little: it is not alarmed on. The probability is that its rate is under half of what is planned of it; rank 1 is the open site most likely to be.`),
    el("div", { class: "scroll wide-table", tabindex: 0, role: "region", "aria-label": "Table of sites" }, el("table", { class: "list", id: "sites-table" })),
    el("nav", { class: "pager", id: "sites-pager", "aria-label": "Pages of sites" }));
}

function choices(id, all, values, name) {
  const names = [...new Set(values)].sort();
  const select = find(id);
  if (select.dataset.of === names.join("\n")) return;
  select.dataset.of = names.join("\n");
  put(select, el("option", { value: "" }, all), names.map((one) => el("option", { value: one }, one)));
  if (!names.includes(wish[name])) wish[name] = "";
  select.value = wish[name];
}

function pick(name, value) {
  wish[name] = value;
  wish.page = 0;
  draw();
}

function order(key, down) {
  wish.down = wish.sort === key ? !wish.down : Boolean(down);
  wish.sort = key;
  wish.page = 0;
  draw();
  find("sites-table").querySelector(`[data-sort="${key}"]`)?.focus();
}

function draw() {
  const text = wish.text.toLowerCase();
  const found = sites.filter((site) => (!text || site.name.toLowerCase().includes(text)) && (!wish.country || site.country === wish.country) && (!wish.status || site.status === wish.status)).sort(compare);
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  wish.page = Math.min(wish.page, pages - 1);
  const first = wish.page * PAGE;
  const page = found.slice(first, first + PAGE);
  setText(find("sites-count"), found.length === sites.length ? `${sites.length.toLocaleString("en")} sites` : `${found.length.toLocaleString("en")} of ${sites.length.toLocaleString("en")} sites`);
  put(find("sites-table"), el("caption", { class: "unseen" }, "Sites by health; rates are subjects a month with 90 % intervals"), el("thead", {}, el("tr", {}, COLUMNS.map(head))),
    el("tbody", {}, page.length ? page.map(row) : el("tr", {}, el("td", { colspan: COLUMNS.length }, "No site matches."))));
  put(find("sites-pager"), pages > 1 ? [
    el("span", {}, `${(first + 1).toLocaleString("en")} to ${(first + page.length).toLocaleString("en")}`),
    el("button", { type: "button", disabled: wish.page === 0, onclick: () => turn(-1) }, "Previous page"), el("button", { type: "button", disabled: wish.page >= pages - 1, onclick: () => turn(1) }, "Next page"),
  ] : []);
}

function turn(by) {
  wish.page += by;
  draw();
  const buttons = find("sites-pager").querySelectorAll("button");
  (buttons[by < 0 ? 0 : 1].disabled ? buttons[by < 0 ? 1 : 0] : buttons[by < 0 ? 0 : 1]).focus();
}

function head({ key, word, n, down }) {
  if (key === null) return el("th", { scope: "col" }, word);
  const sorted = wish.sort === key;
  return el("th", { scope: "col", class: n ? "n" : null, "aria-sort": sorted ? (wish.down ? "descending" : "ascending") : null },
    el("button", { type: "button", class: "sorter", "data-sort": key, onclick: () => order(key, down) }, word, el("span", { "aria-hidden": "true" }, sorted ? (wish.down ? " ▼" : " ▲") : "")));
}

function compare(a, b) {
  const [one, two] = [a[wish.sort], b[wish.sort]];
  const missing = (value) => value === null || value === undefined;
  if (missing(one) !== missing(two)) return missing(one) ? 1 : -1; // what has no value stands last either way
  const by = one < two ? -1 : one > two ? 1 : 0;
  return (wish.down ? -by : by) || (a.name < b.name ? -1 : 1);
}

function health(site) {
  if (site.rank === null) return el("span", { class: "muted" }, "–");
  if (site.below >= BELOW) return sign("bad", `likely, ${percent(site.below)}`);
  return site.below >= MAYBE ? sign("watch", `perhaps, ${percent(site.below)}`) : sign("good", percent(site.below));
}

function row(site) {
  const ever = site.opened !== null;
  return el("tr", {},
    el("td", { class: "n" }, site.rank === null ? "–" : String(site.rank)), el("th", { scope: "row" }, site.name), el("td", {}, site.country), el("td", {}, site.status),
    el("td", { class: "n" }, health(site)), el("td", { class: "n" }, String(site.counted)), el("td", { class: "n" }, String(site.screened)), el("td", { class: "n" }, String(site.failed)),
    el("td", { class: "n" }, ever ? `${number(site.rate, 2)} (${range(site.low, site.high)})` : "–"), el("td", {}, ever ? interval({ median: site.rate, low: site.low, high: site.high }, most) : null), el("td", {}, day(site.opened, "–")));
}
