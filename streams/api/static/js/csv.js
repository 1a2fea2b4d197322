/** Write tables as CSV that no spreadsheet takes for formulas. */

import { el } from "./dom.js";
import { rfc } from "./times.js";

const HEAD = ["event_time", "what", "value", "low", "high", "source"];

/** Write rows {t, what, value, low, high, source}. */
export function toCsv(rows) {
  const lines = rows.map((row) => [rfc(row.t), row.what, row.value, row.low, row.high, row.source].map(cell).join(","));
  return `${HEAD.join(",")}\n${lines.join("\n")}\n`;
}

/** Hand a text over as a file. */
export function download(name, text, type = "text/csv") {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name.replace(/[^\w.-]+/g, "_") });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
