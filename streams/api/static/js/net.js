/** Talk to the API: JSON answers, problems, the key where one is asked for, and the stream that resumes. */

import { el } from "./dom.js";

const KEY = "twinstream.key";
const SILENCE_MS = 40_000; // the server says something every 15 s
const LONGEST_WAIT_MS = 10_000;

/** An answer that says no; `detail` says what to do. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }
}

/** Get JSON from /api/v1. `params` may hold lists; null and undefined are left out. */
export async function get(path, params = {}, signal = undefined) {
  const response = await ask(address(path, params), { signal });
  return response.json();
}

/** Get a text from /api/v1, with the key where this tab has one. */
export async function getText(url) {
  return (await ask(url, {})).text();
}

/** Send JSON to /api/v1 and get the answer's. */
export async function post(path, body) {
  const response = await ask(address(path), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return response.json();
}

/** Whether this tab was given a key, without which an address cannot simply be opened. */
export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/** Write an address under /api/v1. */
export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

/**
 * Follow the stream from a cursor until stopped; after a break it goes on where it was. `path` names another stream than that of effects.
 *
 * `on` has `effect(kind, effect)`, `notice(notice)` and `state(word, detail)`, word one of live, lost.
 */
export function follow(params, cursor, on, path = "stream") {
  let last = cursor;
  let stopped = false;
  let controller = null;
  let tries = 0;

  async function run() {
    while (!stopped) {
      controller = new AbortController();
      try {
        const headers = last ? { "Last-Event-ID": last } : {};
        const response = await ask(address(path, params), { headers, signal: controller.signal });
        on.state("live", "");
        tries = 0;
        await listen(response.body.getReader());
        on.state("lost", "the stream ended");
      } catch (error) {
        if (stopped) return;
        on.state("lost", error instanceof Problem ? error.message : "the service does not answer");
      }
      tries += 1;
      await pause(Math.min(LONGEST_WAIT_MS, 250 * 2 ** Math.min(tries, 6)) * (0.75 + Math.random() / 2));
    }
  }

  async function listen(reader) {
    const decoder = new TextDecoder();
    let text = "";
    while (!stopped) {
      const watchdog = setTimeout(() => controller.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(watchdog));
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) take(block);
    }
  }

  function take(block) {
    let kind = "message";
    let data = null;
    let id = null;
    for (const line of block.split("\n")) {
      const at = line.indexOf(": ");
      if (at <= 0) continue;
      const name = line.slice(0, at);
      const value = line.slice(at + 2);
      if (name === "event") kind = value;
      else if (name === "id") id = value;
      else if (name === "data") data = data === null ? value : `${data}\n${value}`;
    }
    if (data !== null) {
      const body = JSON.parse(data);
      if (kind === "notice") on.notice(body);
      else on.effect(kind, body);
    }
    if (id !== null) last = id; // after it was taken, so that a break in between brings it again
  }

  run();
  return () => {
    stopped = true;
    if (controller) controller.abort();
  };
}

async function ask(url, options) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    let response;
    try {
      response = await fetch(url, { ...options, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "No answer", "the service does not answer; is `twinstream up` or `twinstream api` running?");
    }
    if (response.status === 401) {
      await askForKey(Boolean(key));
      continue;
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response) {
  try {
    const body = await response.json();
    return new Problem(response.status, body.title, body.detail);
  } catch {
    return new Problem(response.status, `Answer ${response.status}`, "");
  }
}

let asking = null;

function askForKey(wrong) {
  asking ??= new Promise((resolve) => {
    const input = el("input", { type: "password", name: "key", required: true, autocomplete: "off", id: "api-key", placeholder: "tw_…" });
    const dialog = el(
      "dialog", { class: "ask", "aria-labelledby": "ask-title" },
      el("form", { method: "dialog" },
        el("h2", { id: "ask-title" }, "API key"),
        el("p", {}, wrong ? "That key is not known here." : "This service is reachable from other machines and asks for a key."),
        el("label", { for: "api-key" }, "Key"), input,
        el("p", { class: "muted" }, "It stays in this tab until the tab is closed."),
        el("button", { type: "submit" }, "Open")),
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, input.value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
