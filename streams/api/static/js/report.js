/** The link to a unit's run report: a page to print, or a file where the service asks for a key. */

import { download } from "./csv.js";
import { el } from "./dom.js";
import { showTrouble } from "./frame.js";
import { address, getText, hasKey } from "./net.js";

/** Make the link; `batch` and `knownAt` (RFC 3339) may be null. */
export function reportLink(unit, batch, knownAt) {
  const place = `twins/${encodeURIComponent(unit.kind)}/${encodeURIComponent(unit.key)}/report`;
  const href = address(place, { batch, known_at: knownAt });
  return el("a", { href, class: "report", onclick: (event) => fetched(event, href, `report_${unit.key}_${batch ?? "all"}.html`) }, "Run report");
}

/** A link carries no key: where one is needed, fetch the page with it and hand it over as a file. */
async function fetched(event, href, name) {
  if (!hasKey()) return;
  event.preventDefault();
  try {
    download(name, await getText(href), "text/html");
  } catch (error) {
    showTrouble(error, null);
  }
}
