/**
 * Shows the state of the connection, with a button to reconnect at once.
 *
 * @import { ConnectionState } from "./stream.js"
 */

/** @type {Record<ConnectionState["phase"], [name: string, detail: string]>} */
const TEXTS = {
  idle: ["Idle", "nothing is running"],
  connecting: ["Connecting", ""],
  live: ["Live", ""],
  polling: ["Polling", "every 3 s; other tabs hold the streams"],
  paused: ["Paused", "while the page is hidden"],
  retrying: ["Retrying", "the connection broke; what you see may be old"],
  lost: ["Lost", "no sign of the server; what you see may be old"],
};

const root = /** @type {HTMLElement} */ (document.getElementById("connection"));
const phaseText = /** @type {HTMLElement} */ (root.querySelector(".phase"));
const detailText = /** @type {HTMLElement} */ (root.querySelector(".detail"));
const button = /** @type {HTMLButtonElement} */ (root.querySelector("button"));

/** @param {ConnectionState} state */
export function showConnection({ phase, problem }) {
  const [name, detail] = problem === undefined ? TEXTS[phase] : ["Stale", problem];
  root.dataset.phase = problem === undefined ? phase : "stale";
  phaseText.textContent = name;
  detailText.textContent = detail;
  button.hidden = phase !== "retrying" && phase !== "lost";
}

/** @param {() => void} reconnect */
export function onTryNow(reconnect) {
  button.addEventListener("click", reconnect);
  // The browser knows that the network is back before our pause is over.
  addEventListener("online", () => !button.hidden && reconnect());
}
