/** Judgements as a shape and a word, so that colour is needed for neither. */

import { el, svg } from "./dom.js";

const SHAPES = {
  good: [["circle", { cx: 12, cy: 12, r: 9.5 }], ["path", { d: "M7 12.5l3.5 3.5L17 8.5" }]],
  watch: [["path", { d: "M12 1.5 22.5 12 12 22.5 1.5 12z" }], ["path", { d: "M7.5 12h9" }]],
  bad: [["path", { d: "M12 2 23 21.5H1z" }], ["path", { d: "M12 9v6m0 2v1.6" }]],
  none: [["path", { d: "M4 12h16" }]],
};

/** Give a judgement, `how` one of good, watch, bad, none, with its word. */
export function sign(how, word) {
  return el("span", { class: `sign is-${how}` },
    svg("svg", { viewBox: "0 0 24 24", width: 15, height: 15, "aria-hidden": "true", focusable: "false" }, SHAPES[how].map(([tag, props]) => svg(tag, props))),
    el("span", {}, word));
}

/** Draw a bar of `share` (-1 to 1) of the width; below zero it goes to the left of the middle where `both` sides are used. */
export function bar(share, both, how = "plain") {
  const width = 100;
  const zero = both ? width / 2 : 0;
  const length = Math.max(0.8, Math.abs(share) * (width - zero));
  return svg("svg", { class: `bar is-${how}`, viewBox: `0 0 ${width} 10`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("rect", { x: share < 0 ? zero - length : zero, y: 1, width: length, height: 8 }),
    svg("path", { d: `M${zero + 0.2} 0v10`, class: "zero" }));
}

/** Make a table: heads [word or [word, "n"]], rows of cells (text or nodes), the first of each its heading. */
export function tableOf(caption, heads, rows) {
  const kinds = heads.map((head) => (Array.isArray(head) ? head[1] : null));
  return el("table", { class: "list" }, caption ? el("caption", {}, caption) : null,
    el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { scope: "col", class: kinds[i] }, Array.isArray(head) ? head[0] : head)))),
    el("tbody", {}, rows.map(([first, ...cells]) => el("tr", {}, el("th", { scope: "row" }, first), cells.map((cell, i) => el("td", { class: kinds[i + 1] }, cell))))));
}

/** Write a long name such as a rule's so that a line may break after its dots and underscores. */
export function breakable(name) {
  return name.split(/(?<=[._])/).map((part, i) => (i ? [el("wbr"), part] : part));
}

/** Put a wide table where it can be scrolled, by keyboard too. */
export function scrolling(name, table) {
  return el("div", { class: "scroll wide-table", tabindex: 0, role: "region", "aria-label": name }, table);
}
