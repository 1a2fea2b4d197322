/** The run's recipe and what was done at the vessel, as a band above the course; every mark leads back to its record. */

import { el, find, put, setText } from "./dom.js";
import { showLineage } from "./lineage.js";
import { factWord } from "./marks.js";
import { number, unitName } from "./states.js";
import { stamp } from "./times.js";

const APART_PX = 34; // marks nearer than that become one with a count, wide enough to hit
const MOST_LISTED = 60;
const LANES = [
  { name: "Done", types: ["batch_started", "batch_ended", "inoculated", "medium_exchanged", "probe_calibrated", "probe_changed"] },
  { name: "Lab", types: ["sample_drawn", "assay_resulted", "assay_superseded", "assay_withdrawn"] },
  { name: "Feed", types: ["feed_added"] },
];
const MOST_LETTERS = 3; // of different kinds in one mark; more are a number
const LETTERS = {
  batch_started: "▶", batch_ended: "■", inoculated: "I", medium_exchanged: "M", probe_calibrated: "C", probe_changed: "P", sample_drawn: "◇", assay_resulted: "A",
  assay_superseded: "S", assay_withdrawn: "W", feed_added: "▲",
};
const REST = "Point at a mark, or walk them with the arrow keys, to read what it is.";

const shown = { course: null, from: 0, to: 1, pick: null, later: null };

/** Show what was done in a course. `pick(fact)` opens a record; facts after `later` (us, or null) are marked as not yet known to the moment shown. */
export function showTimeline(course, { from, to, pick, later }) {
  Object.assign(shown, { course, from, to, pick, later });
  queueMicrotask(draw); // the course lays itself out in a task of its own, and the band goes by it
}

/** Show another stretch of time [us], as the charts do. */
export function zoomTimeline(from, to) {
  if (!shown.course || !(to > from) || (from === shown.from && to === shown.to)) return;
  Object.assign(shown, { from, to });
  draw();
}

/** Lay the marks out for a new width. */
export function resizeTimeline() {
  if (shown.course) draw();
}

function draw() {
  const { course } = shown;
  const box = find("timeline-body");
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.mark : null;
  const facts = course ? [...course.before, ...course.facts] : [];
  find("timeline").hidden = !course;
  if (!facts.length) {
    put(box, el("p", { class: "muted" }, "No phase, feed, sample or calibration was told in this window."));
    return;
  }
  const says = el("p", { class: "readout", id: "timeline-says" }, REST);
  const lanes = [["Phase", course.phases().map(stretch("Phase"))], ["Hold", course.holds().map(stretch("Hold"))], ...LANES.map(({ name, types }) => [name, marksOf(facts, types)])]
    .filter(([name, marks]) => marks.length || name === "Phase");
  const band = el("div", { class: "band", role: "toolbar", "aria-label": "What was done, by time", "aria-orientation": "horizontal", onkeydown: walk });
  put(box, band, says, key(facts.filter((fact) => fact.t >= shown.from && fact.t <= shown.to)));
  put(band, lanes.map(([name, marks]) => laneOf(name, marks, says)));
  const buttons = [...band.querySelectorAll("button")];
  (buttons.find((one) => one.dataset.mark === held) ?? buttons[0])?.setAttribute("tabindex", "0");
  if (held) buttons.find((one) => one.dataset.mark === held)?.focus({ preventScroll: true });
}

function laneOf(name, marks, says) {
  const { left: gutter, width } = placeOfTracks();
  const track = el("div", { class: "track" });
  const lane = el("div", { class: `lane is-${name.toLowerCase()}` }, el("span", { class: "lane-name", "aria-hidden": "true" }, name), track);
  lane.style.gridTemplateColumns = `${gutter}px ${width}px`;
  for (const mark of marks) {
    const left = Math.max(0, share(mark.from));
    const right = Math.min(1, share(mark.to));
    if (mark.to < shown.from || mark.from > shown.to) continue;
    const text = mark.says();
    const node = el("button", {
      type: "button", class: `mark${mark.wide ? " stretch" : ""}${mark.later ? " later" : ""}`, tabindex: -1, "aria-label": text, title: text, "data-mark": mark.id, "data-at": mark.from,
      onclick: mark.open, onfocus: () => tell(says, text), onmouseenter: () => tell(says, text), onmouseleave: () => tell(says, REST), onblur: () => tell(says, REST),
    }, mark.wide ? el("span", { "aria-hidden": "true" }, (right - left) * width < 30 ? "" : mark.text) : el("span", { class: "letters", "data-letters": mark.text, "aria-hidden": "true" }));
    node.style.left = mark.wide ? `${100 * left}%` : `clamp(14px, ${100 * left}%, calc(100% - 14px))`;
    if (mark.wide) node.style.width = `${100 * (right - left)}%`;
    track.append(node);
  }
  return lane;
}

/** Where a track begins and how wide it is [px]: as the plot of the course below, so that both show a time at one place. */
function placeOfTracks() {
  const box = find("timeline-body").getBoundingClientRect();
  const plot = document.querySelector(".panel.wide .u-over")?.getBoundingClientRect();
  return plot?.width ? { left: Math.max(44, plot.left - box.left), width: plot.width } : { left: 52, width: Math.max(120, box.width - 66) };
}

function tell(says, text) {
  setText(says, text);
}

function share(t) {
  return (t - shown.from) / (shown.to - shown.from);
}

/** Make a stretch of time of a phase or hold. */
function stretch(word) {
  return ({ name, fact, from, to, open }, i) => ({
    id: `${word}-${i}`, wide: true, from: from * 1e6, to: (open ? Math.min(to, Math.max(from, shown.course.last() / 1e6)) : to) * 1e6, later: isLater(fact), text: name,
    says: () => `${word} ${name}, from ${stamp(from * 1000)}${open ? ", still" : ` to ${stamp(to * 1000)}`}; record ${recordOf(fact)}`,
    open: () => shown.pick(fact),
  });
}

/** Make marks of facts; those that lie too near to each other to be told apart are one. */
function marksOf(facts, types) {
  const track = placeOfTracks().width;
  const groups = [];
  for (const fact of facts.filter((one) => types.includes(typeOf(one)) && one.t >= shown.from && one.t <= shown.to)) {
    const group = groups.at(-1);
    if (group && (share(fact.t) - share(group[0].t)) * track < APART_PX && isLater(fact) === isLater(group[0])) group.push(fact);
    else groups.push([fact]);
  }
  return groups.map((group) => ({
    id: `${typeOf(group[0])}-${group[0].offset}`, wide: false, from: group[0].t, to: group[0].t, later: isLater(group[0]),
    text: lettersOf(group),
    says: () => (group.length === 1 ? `${factSays(group[0])}, ${stamp(group[0].t / 1000)}; record ${recordOf(group[0])}` : `${sumOf(group)}, ${stamp(group[0].t / 1000)} to ${stamp(group.at(-1).t / 1000)}; records ${recordOf(group[0])} to ${group.at(-1).offset}`),
    open: () => (group.length === 1 ? shown.pick(group[0]) : listed(group)),
  }));
}

/** Write a mark: letters of what it holds, a count where it is many of one kind, a number where it is of many kinds. */
function lettersOf(group) {
  const kinds = [...new Set(group.map(typeOf))];
  if (kinds.length === 1) return `${LETTERS[kinds[0]]}${group.length > 1 ? group.length : ""}`;
  return kinds.length <= MOST_LETTERS ? kinds.map((kind) => LETTERS[kind]).join("") : String(group.length);
}

/** Say what the letters mean that are there. */
function key(facts) {
  const there = new Set(facts.map(typeOf));
  const words = Object.entries(LETTERS).filter(([kind]) => there.has(kind)).map(([kind, letter]) => `${letter} ${factWord(kind).toLowerCase()}`);
  return words.length ? el("p", { class: "muted timeline-key" }, words.join(" · ")) : null;
}

function isLater(fact) {
  return shown.later !== null && fact.t > shown.later;
}

function typeOf(fact) {
  return fact.type.split(".").pop();
}

function recordOf(fact) {
  return `${fact.topic}/${fact.partition}/${fact.offset}`;
}

function sumOf(group) {
  const words = new Map();
  for (const fact of group) words.set(factWord(fact.type), (words.get(factWord(fact.type)) ?? 0) + 1);
  const unit = group[0].data.volume?.unit;
  const total = typeOf(group[0]) === "feed_added" && group.every((fact) => fact.data.volume?.unit === unit) ? `, together ${number(group.reduce((sum, fact) => sum + fact.data.volume.value, 0))} ${unitName(unit)}` : "";
  return `${[...words].map(([word, count]) => `${word} ×${count}`).join(", ")}${total}`;
}

/** Say a fact in words: what, of what, how much. */
function factSays(fact) {
  const { data } = fact;
  const parts = [data.tag, data.kind?.replaceAll("_", " "), data.serial, data.sample, data.batch, data.feed];
  if (data.value !== undefined) parts.push(`${number(data.value, 4)} ${unitName(data.unit)}`);
  if (data.volume) parts.push(`${number(data.volume.value)} ${unitName(data.volume.unit)}`);
  if (data.cells_retained !== undefined) parts.push(data.cells_retained ? "cells retained" : "cells not retained");
  parts.push(data.reason || data.note);
  return [factWord(fact.type), ...parts.filter(Boolean)].join(" ");
}

function listed(group) {
  const more = group.length - MOST_LISTED;
  showLineage(sumOf(group), [...group.slice(0, MOST_LISTED).map((fact) => [stamp(fact.t / 1000), `${factSays(fact)}; record ${recordOf(fact)}`]), more > 0 ? ["", `and ${more} more: the run log beside has them all`] : ["", null]]);
}

/** Left and right go on in time, up and down to the lane above and below. */
function walk(event) {
  const band = event.currentTarget;
  const all = [...band.querySelectorAll("button")];
  const here = all.indexOf(document.activeElement);
  if (here < 0 || !/^(Arrow|Home|End)/.test(event.key)) return;
  event.preventDefault();
  const inTime = [...all].sort((a, b) => Number(a.dataset.at) - Number(b.dataset.at));
  const at = inTime.indexOf(all[here]);
  const lanes = [...band.children].filter((lane) => lane.querySelector("button"));
  const lane = lanes.findIndex((one) => one.contains(all[here]));
  const across = lanes[lane + (event.key === "ArrowUp" ? -1 : 1)];
  const to = { ArrowLeft: inTime[at - 1], ArrowRight: inTime[at + 1], Home: inTime[0], End: inTime.at(-1), ArrowUp: nearIn(across, all[here]), ArrowDown: nearIn(across, all[here]) }[event.key];
  if (!to) return;
  all[here].setAttribute("tabindex", "-1");
  to.setAttribute("tabindex", "0");
  to.focus();
}

function nearIn(lane, from) {
  const apart = (node) => Math.abs(Number(node.dataset.at) - Number(from.dataset.at));
  return lane ? [...lane.querySelectorAll("button")].sort((a, b) => apart(a) - apart(b))[0] : null;
}
