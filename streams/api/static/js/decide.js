/** Ask a person who they are and why, before something is done in their name. */

import { el, find, put } from "./dom.js";

/**
 * Open the dialog: `title`, `says` (paragraphs on what it does), `action` (the button's word), `more` (fields before who and why), and
 * `act({by, reason})`, whose error is shown in the dialog, so that nothing typed is lost. Gives whether it was done.
 */
export function decide({ title, says, action, act, more = [] }) {
  const dialog = find("decide");
  const by = el("input", { id: "decide-by", required: true, maxlength: 128, autocomplete: "name", spellcheck: "false" });
  const reason = el("textarea", { id: "decide-reason", required: true, maxlength: 1000, rows: 3 });
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const submit = el("button", { type: "submit" }, action);
  return new Promise((resolve) => {
    const form = el("form", { method: "dialog" },
      el("h2", { id: "decide-title" }, title), says.map((text) => el("p", {}, text)), more,
      el("label", { for: "decide-by" }, "Who decides"), by, el("label", { for: "decide-reason" }, "Why"), reason,
      el("p", { class: "muted" }, "Both are kept with the record."), trouble,
      el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => dialog.close() }, "Leave as it is"), submit));
    let done = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        await act({ by: by.value.trim(), reason: reason.value.trim() });
        done = true;
        dialog.close();
      } catch (error) {
        trouble.textContent = error.message;
        trouble.hidden = false;
        submit.disabled = false;
      }
    });
    dialog.addEventListener("close", () => resolve(done), { once: true });
    put(dialog, form);
    dialog.showModal();
    by.focus();
  });
}
