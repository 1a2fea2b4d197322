/** The drawer with all that is kept of one job, and what a person may do with it. */

import { unitLink } from "./alerts.js";
import { decide } from "./decide.js";
import { el, find, put } from "./dom.js";
import { say } from "./frame.js";
import { UNDER_WAY, PRIORITIES, jobPath, lasting, progressOf } from "./job_words.js";
import { get, getText, post } from "./net.js";
import { scrolling, tableOf } from "./signs.js";
import { stamp } from "./times.js";

const MOST_SHOWN = 20_000; // characters of an answer; the document has all

/** Open the drawer of a job; `changed` is called when a person changed it. */
export async function openJob(id, changed) {
  const dialog = find("job");
  const job = await get(jobPath(id));
  const { result } = job;
  put(dialog,
    el("h2", { id: "job-title", tabindex: -1 }, `Job ${job.id}`),
    rows([
      ["State", progressOf(job)], ["Of", el("a", { href: unitLink(job.twin_kind, job.twin_key) }, `${job.twin_kind} ${job.twin_key}`)], ["Engine", job.kind],
      ["Asked by", job.asked_by], ["Because", job.reasons.join("; ")], ["Priority", PRIORITIES[job.priority] + (job.rank < Object.keys(PRIORITIES).indexOf(job.priority) ? ", raised by its age" : "")],
      ["Tenant", job.tenant], ["Deadline", when(job.deadline)], ["Asked at", when(job.asked_at)], ["Started", when(job.started_at)], ["Last heard", when(job.progressed_at)], ["Ended", when(job.finished_at)],
      ["Not before", when(job.not_before)], ["Worker", job.worker], ["Device", job.device], ["Attempt", job.attempt ? `${job.attempt}${job.failures ? `, after ${job.failures} that failed` : ""}` : null],
      ["Device time", job.seconds ? lasting(job.seconds) : null], ["Answered by", job.answered_by], ["Superseded by", job.superseded_by], ["Error", job.error],
    ]),
    part("Specification", text(job.spec)),
    result ? part("Answer, in short", text(result.summary)) : null,
    result ? part("Provenance", rows(Object.entries(result.provenance).map(([name, value]) => [name.replaceAll("_", " "), plain(value)]))) : null,
    job.checkpoints.length ? part("Checkpoints", scrolling("Checkpoints", tableOf("The newest is gone on from", ["Attempt", "Number", "Device", ["Bytes", "n"], "At", "SHA-256"], job.checkpoints.map((one) => [String(one.attempt), String(one.seq), one.device, String(one.bytes), when(one.at), el("code", {}, one.sha256.slice(0, 16))])))) : null,
    job.inputs.length ? part("Facts known up to", el("p", {}, job.inputs.join(", "))) : null,
    el("div", { class: "buttons" },
      job.has_document ? el("button", { type: "button", onclick: () => saveDocument(job) }, "Whole answer as JSON") : null,
      UNDER_WAY.includes(job.state) ? el("button", { type: "button", onclick: () => cancelJob(job, changed) }, "Cancel…") : null,
      el("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  if (!dialog.open) dialog.showModal();
  find("job-title").focus();
}

async function cancelJob(job, changed) {
  const done = await decide({
    title: "Cancel this job?", action: "Cancel the job",
    says: [`${job.kind} of ${job.twin_key}, asked by ${job.asked_by}: ${job.reasons.join("; ")}.`, "A job that waits ends at once, one that runs within seconds. What was spent stays spent."],
    act: (told) => post(`${jobPath(job.id)}/cancel`, told),
  });
  if (!done) return;
  say("Job cancelled");
  await openJob(job.id, changed);
  changed();
}

async function saveDocument(job) {
  const body = await getText(`/api/v1/${jobPath(job.id)}/document`);
  const link = el("a", { href: URL.createObjectURL(new Blob([body], { type: "application/json" })), download: `job-${job.id.replaceAll("/", "-")}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function part(title, ...what) {
  return el("section", {}, el("h3", {}, title), what);
}

function rows(pairs) {
  return el("dl", { class: "lineage" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function text(value) {
  const whole = JSON.stringify(value, null, 1);
  return el("pre", { tabindex: 0 }, whole.length > MOST_SHOWN ? `${whole.slice(0, MOST_SHOWN)}\n… the document has all` : whole);
}

function plain(value) {
  if (Array.isArray(value)) return value.join(", ");
  return value !== null && typeof value === "object" ? Object.entries(value).map(([name, one]) => `${name} ${one}`).join(", ") : String(value);
}

function when(moment) {
  return moment ? el("time", { datetime: moment }, stamp(Date.parse(moment))) : null;
}
