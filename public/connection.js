/**
 * The connection's state, shown, with a way to hurry it.
 *
 * @import { ConnectionState } from "./stream.js"
 */

/** @type {Record<ConnectionState["phase"], [name: string, detail: string]>} */
const WORDS = {
  idle: ["Idle", "nothing is running"],
  connecting: ["Connecting", ""],
  live: ["Live", ""],
  retrying: ["Retrying", "the connection broke; what you see may be old"],
  lost: ["Lost", "no sign of the server; what you see may be old"],
};

const root = /** @type {HTMLElement} */ (document.getElementById("connection"));
const phaseText = /** @type {HTMLElement} */ (root.querySelector(".phase"));
const detailText = /** @type {HTMLElement} */ (root.querySelector(".detail"));
const button = /** @type {HTMLButtonElement} */ (root.querySelector("button"));

/** @param {ConnectionState} state */
export function showConnection({ phase, trouble }) {
  const [name, detail] = trouble === undefined ? WORDS[phase] : ["Stale", trouble];
  root.dataset.phase = trouble === undefined ? phase : "stale";
  phaseText.textContent = name;
  detailText.textContent = detail;
  button.hidden = phase !== "retrying" && phase !== "lost";
}

/** @param {() => void} hurry */
export function onTryNow(hurry) {
  button.addEventListener("click", hurry);
  // The browser knows that the network is back before any pause of ours is over.
  addEventListener("online", () => !button.hidden && hurry());
}
