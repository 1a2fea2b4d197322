/** Show where a number comes from: its record in the log, its model, and how to get its line. */

import { el, find, put } from "./dom.js";

/** Open the dialog with a title and rows of [name, value]; `effectId` adds how to get its line. */
export function showLineage(title, rows, effectId = null) {
  const dialog = find("lineage");
  put(
    dialog,
    el("h2", { id: "lineage-title" }, title),
    el("dl", { class: "lineage" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])),
    effectId ? el("p", {}, "Its line, as it was written: ", el("code", {}, `twinstream export | grep -F '"id":"${effectId}"'`)) : null,
    el("form", { method: "dialog" }, el("button", { type: "submit", autofocus: true }, "Close")),
  );
  if (!dialog.open) dialog.showModal();
}

/** Give the rows of an effect. */
export function effectRows(effect) {
  const [topic, partition, offset, n] = splitId(effect.id);
  return [
    ["Effect", effect.id], ["Record", `${topic} / partition ${partition} / offset ${offset}`], ["Effect of that record", `number ${n}`],
    ["Event time", effect.event_time], ["Recorded", effect.record_time], ["Known to the log", effect.known_at],
    ["Model", effect.model], ["Lane", effect.lane === "advisory" ? "advisory: no decision rests on it alone" : effect.lane],
  ];
}

/** Take an effect id apart: topic, partition, offset, n. */
export function splitId(id) {
  const parts = id.split("/");
  return [parts.slice(0, -3).join("/"), ...parts.slice(-3)];
}
