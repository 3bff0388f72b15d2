import { everySecond } from "../app/clock.js";
import { describe } from "../app/server.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { clockTime } from "./time.js";

/**
 * How true is what the page shows, in one line: live and as of when, catching up, not connected, or an outage.
 *
 * @typedef {import("../client/client.js").ConnectionState} ConnectionState
 */

/** A stream that is open and says nothing new for so long is catching up: two heartbeats, and some time. */
const FRESH_MS = 40_000;

/**
 * @param {AbortSignal} signal
 * @returns {(state: ConnectionState | undefined, isLoaded?: boolean) => void} `undefined`: the view shows nothing that
 *   changes. `isLoaded`: what there is is shown, even if no heartbeat has said so yet
 */
export function indicator(signal) {
  const root = /** @type {HTMLElement} */ (document.getElementById("indicator"));
  /** @type {ConnectionState | undefined} */
  let state;
  let loaded = false;
  /** Of what is shown while it is not connected. @type {string | null} */
  let asOf = null;
  const draw = () => {
    if (signal.aborted) return;
    const { kind, text, detail } = describeState(state, loaded, asOf);
    root.dataset.kind = kind;
    // Only a change of the phase is announced; the detail may change each second.
    render(
      html`<span class="dot" aria-hidden="true"></span><span class="phase" role="status">${text}</span>
        ${detail ? html`<time class="detail number" title=${detail} datetime=${asOf ?? nothing}>${detail}</time>` : nothing}
        ${state?.kind === "retrying" ? html`<button type="button" @click=${tryNow}>Try now</button>` : nothing}`,
      root,
    );
  };
  everySecond(draw, signal);
  draw();
  return (next, isLoaded = false) => {
    [state, loaded] = [next, isLoaded];
    if (next?.kind === "live" || next?.kind === "stale") asOf = next.as_of;
    draw();
  };
}

/** The client connects at once when it learns that the network is back. */
function tryNow() {
  dispatchEvent(new Event("online"));
}

/**
 * @param {ConnectionState | undefined} state
 * @param {boolean} isLoaded
 * @param {string | null} asOf
 * @returns {{ kind: string, text: string, detail?: string }}
 */
function describeState(state, isLoaded, asOf) {
  const shown = asOf === null ? "" : `shown as of ${clockTime(asOf)}`;
  switch (state?.kind) {
    case undefined:
      return { kind: "idle", text: "" };
    case "connecting":
      return { kind: "waiting", text: "Connecting" };
    case "retrying": {
      const inS = Math.max(0, Math.ceil((state.at - Date.now()) / 1000));
      const reason = state.error === undefined ? "" : describe(state.error);
      const parts = [`next attempt in ${inS} s`, shown, reason].filter(Boolean);
      return { kind: "lost", text: "Not connected", detail: parts.join(", ") };
    }
    case "closed":
      return { kind: "ended", text: "Final state" };
    case "stale": {
      const detail = state.as_of === null ? "" : `since ${clockTime(state.as_of)}`;
      return { kind: "lost", text: "The scheduler does not answer", detail };
    }
    case "live": {
      if (state.as_of === null) {
        return isLoaded ? { kind: "live", text: "Live" } : { kind: "waiting", text: "Loading" };
      }
      const ageMs = Math.max(0, Date.now() - Date.parse(state.as_of));
      const detail = `as of ${Math.round(ageMs / 1000)} s ago`;
      if (ageMs > FRESH_MS) return { kind: "waiting", text: "Catching up", detail };
      return { kind: "live", text: "Live", detail };
    }
  }
}
