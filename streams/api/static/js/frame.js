/** What all pages have at the top: name, connection, clock, lag, theme. */

import { el, find, put, setText } from "./dom.js";
import { get } from "./net.js";
import { choose, chosen, onChoice } from "./prefs.js";
import { now, stamp, zoneName } from "./times.js";

const STATUS_MS = 15_000;

/** Build the top bar; gives `connection(word, detail)` to tell how the stream is, `mode(live)` whether the page shows the present. A page that is not `streaming` says nothing of it. */
export function buildTop({ runClock = false, streaming = true } = {}) {
  const link = el("span", { class: "link", "data-link": "wait", role: "status" }, el("i", { "aria-hidden": "true" }), el("span", {}, "Connecting"));
  link.hidden = !streaming;
  const lag = el("span", { class: "lag" });
  const clock = el("time", { class: "clock" });
  const zone = el("span", { class: "zone" });
  put(
    find("top"),
    el("a", { class: "brand", href: "/" }, el("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24 }), "twinstream"),
    el("nav", { class: "pages", "aria-label": "Sections" }, [["/", "Units"], ["/alarms", "Alarms"], ["/jobs", "Jobs"]].map(([href, word]) => el("a", { href, "aria-current": location.pathname === href ? "page" : null }, word))),
    link, lag, el("span", { class: "spring" }),
    el("span", { class: "when" }, clock, " ", zone),
    choice("Clock", "clock", [["utc", "UTC"], ["local", "Local"], ...(runClock ? [["run", "Run hours"]] : [])]),
    choice("Theme", "theme", [["dark", "Dark"], ["light", "Light"]]),
  );

  const tick = () => {
    setText(clock, stamp(now()));
    setText(zone, zoneName());
  };
  tick();
  setInterval(tick, 1000);
  onChoice(tick);
  const status = () => showStatus(lag);
  status();
  setInterval(status, STATUS_MS);

  const how = { word: "wait", live: true };
  const show = () => {
    link.dataset.link = how.word === "live" && !how.live ? "asof" : how.word;
    setText(link.lastChild, { live: "Live", lost: "Reconnecting", wait: "Connecting", asof: "Connected; the page shows the past" }[link.dataset.link]);
  };
  return {
    connection(word, detail) {
      how.word = word;
      link.title = detail;
      show();
    },
    mode(live) {
      how.live = live;
      show();
    },
  };
}

async function showStatus(node) {
  try {
    const status = await get("status");
    const behind = status.lag === null ? "lag unknown" : status.lag === 0 ? "up to date" : `${status.lag.toLocaleString("en")} records behind`;
    const rejects = status.rejects.total;
    const reasons = status.rejects.reasons.map((one) => `${one.reason} ${one.count}`).join(", ");
    put(
      node,
      el("span", { "data-behind": status.lag > 1000 ? "yes" : null }, behind),
      rejects ? el("span", { title: reasons }, `${rejects.toLocaleString("en")}${status.rejects.at_least ? "+" : ""} rejected in 24 h`) : null,
      status.skipped ? el("span", { "data-behind": "yes" }, `${status.skipped} skipped`) : null,
    );
  } catch (error) {
    put(node, el("span", { "data-behind": "yes" }, error.message));
  }
}

function choice(title, name, options) {
  const group = el("fieldset", { class: "switch" }, el("legend", { class: "unseen" }, title));
  for (const [value, word] of options) {
    const input = el("input", { type: "radio", name: `pref-${name}`, value, onchange: () => choose(name, value) });
    input.checked = chosen()[name] === value || (value === "utc" && name === "clock" && !options.some(([v]) => v === chosen()[name]));
    group.append(el("label", {}, input, el("span", {}, word)));
  }
  return group;
}

/** Say a thing to people who listen rather than look; `urgent` interrupts. */
export function say(text, urgent = false) {
  setText(find(urgent ? "say-now" : "say"), text);
}

/** Show what went wrong and what to do, with a way to try again. */
export function showTrouble(error, retry) {
  const node = find("trouble");
  if (error === null) {
    node.hidden = true;
    return;
  }
  put(node, el("strong", {}, error.title || "Something is wrong"), " ", el("span", {}, error.message), " ",
    retry ? el("button", { type: "button", onclick: retry }, "Try again") : null);
  node.hidden = false;
}
