/** How a job's state, priority and cost are said, the same on every page. */

import { el } from "./dom.js";
import { bar, sign } from "./signs.js";
import { number } from "./states.js";

export const PRIORITIES = { patient_safety: "Patient safety", release: "Release", what_if: "What-if", background: "Background" };
export const JOB_STATES = { queued: ["none", "Waits"], running: ["none", "Runs"], done: ["good", "Answered"], failed: ["bad", "Failed"], cancelled: ["watch", "Cancelled"], superseded: ["none", "Superseded"] };
export const UNDER_WAY = ["queued", "running"];

/** Say a job's state; of one that is told to stop, that. */
export function stateSign(job) {
  const [how, word] = JOB_STATES[job.state] || ["none", job.state];
  if (job.state === "running" && job.wish) return sign("watch", job.wish === "cancel" ? "Told to stop" : "Told to make way");
  return sign(how, job.state === "done" && job.cached ? "Answered before" : word);
}

/** Show how far a job is: a bar, the share, and what the engine says. */
export function progressOf(job) {
  if (job.state !== "running") return stateSign(job);
  const rates = Object.entries(job.rates || {}).slice(0, 2).map(([name, value]) => `${number(value)} ${name.replaceAll("_", " ")}`);
  return el("span", { class: "progress" }, stateSign(job), bar(job.share, false), el("span", { class: "muted" }, [`${Math.floor(job.share * 100)} %`, job.note, ...rates].filter(Boolean).join(" · ")));
}

/** Write a stretch of seconds as people do. */
export function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${number(seconds, 2)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** Write the address of a job's page. */
export function jobLink(id) {
  return `/jobs?job=${encodeURIComponent(id)}`;
}

/** Write a job's id as part of an address under /api/v1; its slashes stay. */
export function jobPath(id) {
  return `jobs/${id.split("/").map(encodeURIComponent).join("/")}`;
}
