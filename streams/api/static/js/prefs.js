/** What a person chose on this machine: theme and the clock that times are written in. */

const STORE = "twinstream.prefs";
const listeners = new Set();

const prefs = { theme: preferredTheme(), clock: "utc", ...stored() };
document.documentElement.dataset.theme = prefs.theme;

/** Give the choices: `theme` dark or light, `clock` utc, local or run. */
export function chosen() {
  return prefs;
}

/** Change a choice and tell everybody. */
export function choose(name, value) {
  prefs[name] = value;
  document.documentElement.dataset.theme = prefs.theme;
  try {
    localStorage.setItem(STORE, JSON.stringify(prefs));
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  for (const listener of listeners) listener(name);
}

/** Be told of changes. */
export function onChoice(listener) {
  listeners.add(listener);
}

function preferredTheme() {
  return window.matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) || "{}");
    return {
      ...(["dark", "light"].includes(found.theme) ? { theme: found.theme } : {}),
      ...(["utc", "local", "run"].includes(found.clock) ? { clock: found.clock } : {}),
    };
  } catch {
    return {};
  }
}
