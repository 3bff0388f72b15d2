import { markGone } from "../app/gone.js";
import { navigate, operationPath } from "../app/router.js";
import { client, may } from "../app/server.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ask, typedJson } from "./dialog.js";
import { isActive } from "./status.js";

/**
 * What can be done with an operation: only what its state and the reader's permissions allow.
 *
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @param {Operation} operation
 * @param {() => void} onRestart a terminal operation will run again
 */
export function actions(operation, onRestart) {
  const { operation_id: id, status } = operation;
  if (!may("operations:control", id)) return nothing;
  const active = isActive(operation);
  const offered = [
    active &&
      status !== "SUSPENDED" &&
      button("Suspend", () => withReason("Suspend", id, "suspend")),
    status === "SUSPENDED" && button("Resume", () => withReason("Resume", id, "resume")),
    active && button("Raise event", () => raiseEvent(id)),
    active && button("Terminate", () => terminate(id), "danger"),
    status === "Failed" && button("Rewind", () => withReason("Rewind", id, "rewind", onRestart)),
    !active && button("Restart", () => restart(id, onRestart)),
    !active && button("Delete", () => purge(id), "danger"),
  ];
  return html`<div class="actions" role="group" aria-label="Actions">${offered.map((each) => each || nothing)}</div>`;
}

/** @param {string} label @param {() => void} act @param {string} [kind] */
function button(label, act, kind = "") {
  return html`<button type="button" class=${kind} @click=${act}>${label}</button>`;
}

const REASON = html`<label>Reason<input name="reason" autocomplete="off" placeholder="for the history" /></label>`;
const TEXTS = {
  suspend: "Its activities go on. Their results wait until it is resumed.",
  resume: "It goes on with what has arrived meanwhile.",
  rewind:
    "What failed runs again, and the orchestration goes on from there. What has succeeded is kept.",
};

/** @param {string} title @param {string} id @param {"suspend" | "resume" | "rewind"} verb @param {() => void} [onDone] */
function withReason(title, id, verb, onDone) {
  ask({
    title: `${title} this operation?`,
    text: TEXTS[verb],
    fields: REASON,
    confirm: title,
    act: async (form) => {
      await client[verb](id, reasonOf(form));
      onDone?.();
    },
  });
}

/** @param {string} id */
function terminate(id) {
  ask({
    title: "Terminate this operation?",
    text: "It stops where it is. What its activities are doing now is not undone.",
    fields: html`${REASON}<label class="check"><input type="checkbox" name="recursive" />and its sub-orchestrations</label>`,
    confirm: "Terminate",
    danger: true,
    act: async (form) => {
      const recursive = form.get("recursive") === "on";
      await client.terminate(id, { ...reasonOf(form), ...(recursive && { recursive }) });
    },
  });
}

/** @param {string} id @param {() => void} onRestart */
function restart(id, onRestart) {
  ask({
    title: "Restart this operation?",
    text: "It runs again with the same input.",
    fields: html`<label class="check"><input type="checkbox" name="new_id" checked />as a new operation, which keeps this one</label>`,
    confirm: "Restart",
    act: async (form) => {
      const restarted = await client.restart(id, { new_id: form.get("new_id") === "on" });
      if (restarted.operation_id === id) onRestart();
      else navigate(operationPath(restarted.operation_id));
    },
  });
}

/** @param {string} id */
function purge(id) {
  ask({
    title: "Delete this operation?",
    text: "Its state and its history are deleted. This cannot be undone.",
    confirm: "Delete",
    danger: true,
    act: async () => {
      await client.purge(id);
      markGone(id);
      navigate("./");
    },
  });
}

/** @param {string} id */
function raiseEvent(id) {
  ask({
    title: "Raise an event",
    text: "It is delivered to the orchestration as soon as that waits for an event of this name.",
    fields: html`<label>Name<input name="name" required autocomplete="off" /></label>
      <label>Data (JSON)<textarea name="data" rows="4" spellcheck="false"></textarea></label>`,
    confirm: "Raise",
    act: async (form) => {
      await client.raiseEvent(id, String(form.get("name")), typedJson(form.get("data")));
    },
  });
}

/** @param {FormData} form */
function reasonOf(form) {
  const reason = String(form.get("reason") ?? "").trim();
  return reason === "" ? {} : { reason };
}
