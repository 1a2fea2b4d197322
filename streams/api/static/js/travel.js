/** Time travel: `at` chooses the moment of the process, `known_at` what the log knew; both free at the right end. */

import { el, find, put, setText } from "./dom.js";
import { onChoice } from "./prefs.js";
import { now, stamp } from "./times.js";

const STEPS = 1000;
const SETTLE_MS = 160;

/**
 * Build the two sliders. `moment` is {at, known} in microseconds or null for now; `on(moment)` is called when it changes.
 * The returned `bounds(extent)` sets the ends: {event: [from, to], known: [from, to]}.
 */
export function buildTravel(moment, on) {
  const state = { ...moment };
  const ends = { at: null, known: null };
  let timer = null;
  const mode = el("span", { class: "mode", id: "mode" });
  const back = el("button", { type: "button", class: "back", onclick: live }, "Back to live");
  const at = slider("at", "Look at", "the moment of the process");
  const known = slider("known", "Known at", "what the log knew by then");
  put(find("travel"), el("div", { class: "mode-box" }, mode, back), at.root, known.root);
  show();
  onChoice(show);

  function slider(name, word, hint) {
    const input = el("input", { type: "range", min: 0, max: STEPS, value: STEPS, id: `travel-${name}`, "aria-describedby": `travel-${name}-hint` });
    const out = el("output", { for: `travel-${name}` });
    const move = (by) => () => {
      input.value = String(Number(input.value) + by);
      pick(name, input);
    };
    input.addEventListener("input", () => pick(name, input));
    const root = el("div", { class: "axis" },
      el("label", { for: `travel-${name}` }, word), el("span", { class: "muted hint", id: `travel-${name}-hint` }, hint), out,
      el("button", { type: "button", class: "small", "aria-label": `${word}: earlier`, onclick: move(-10) }, "◀"), input,
      el("button", { type: "button", class: "small", "aria-label": `${word}: later`, onclick: move(10) }, "▶"));
    return { root, input, out };
  }

  function pick(name, input) {
    if (!ends[name]) return;
    const [from, to] = ends[name];
    const place = Number(input.value) / STEPS;
    state[name] = place >= 1 ? null : Math.round(from + (to - from) * place);
    changed();
  }

  function live() {
    state.at = null;
    state.known = null;
    changed();
  }

  function changed() {
    show();
    clearTimeout(timer);
    timer = setTimeout(() => on({ ...state }), SETTLE_MS);
  }

  function show() {
    const isLive = state.at === null && state.known === null;
    setText(mode, isLive ? "LIVE" : "AS OF");
    find("travel").dataset.mode = isLive ? "live" : "asof";
    document.documentElement.dataset.mode = isLive ? "live" : "asof";
    back.hidden = isLive;
    for (const [name, { input, out }] of Object.entries({ at, known })) {
      const value = state[name];
      const text = value === null ? "now" : stamp(value / 1000);
      setText(out, text);
      input.setAttribute("aria-valuetext", text);
      if (ends[name] && document.activeElement !== input) {
        const [from, to] = ends[name];
        input.value = String(value === null ? STEPS : Math.round(((value - from) / (to - from || 1)) * STEPS));
      }
      input.disabled = !ends[name];
    }
  }

  return {
    bounds(extent) {
      ends.at = extent.event && extent.event[1] > extent.event[0] ? extent.event : null;
      ends.known = extent.known ? [extent.known[0], Math.max(extent.known[1], extent.known[0] + 1000)] : null;
      show();
    },
    moment: () => ({ ...state }),
    words: () => `${state.at === null ? "now" : stamp(state.at / 1000)}, known at ${state.known === null ? stamp(now()) : stamp(state.known / 1000)}`,
  };
}
