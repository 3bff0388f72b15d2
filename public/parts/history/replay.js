import { html } from "../../vendor/lit-html/lit-html.js";
import { duration } from "../time.js";

/** Times faster than it was. */
const SPEEDS = [1, 2, 10, 60];

/** Shows a finished history again, as it was at any moment, or at its original pace. */
export class Replay {
  /** The moment that is shown, since the start; `undefined`: the end. @type {number | undefined} */
  atMs;
  #playing = false;
  #speed = 1;
  #lastMs = 0;
  #durationMs = 0;
  #onChange;
  #signal;

  /** @param {() => void} onChange @param {AbortSignal} signal */
  constructor(onChange, signal) {
    this.#onChange = onChange;
    this.#signal = signal;
  }

  /** @param {number} durationMs */
  controls(durationMs) {
    this.#durationMs = durationMs;
    const atMs = this.atMs ?? durationMs;
    return html`<div class="replay" role="group" aria-label="Replay">
      <button type="button" @click=${() => this.#toggle()}>${this.#playing ? "Pause" : "Replay"}</button>
      <input type="range" min="0" max=${durationMs} step="any" .value=${String(atMs)} aria-label="Moment"
        aria-valuetext=${`${duration(atMs)} after the start`} @input=${this.#scrub} />
      <span class="number">${duration(atMs)}</span>
      <label class="quiet">Speed
        <select @change=${this.#choose}>${SPEEDS.map((speed) => html`<option value=${speed} ?selected=${speed === this.#speed}>${speed}×</option>`)}</select>
      </label>
    </div>`;
  }

  #scrub = (/** @type {Event} */ { currentTarget }) => {
    this.#playing = false;
    this.#goTo(Number(/** @type {HTMLInputElement} */ (currentTarget).value));
  };

  #choose = (/** @type {Event} */ { currentTarget }) => {
    this.#speed = Number(/** @type {HTMLSelectElement} */ (currentTarget).value);
  };

  #toggle() {
    this.#playing = !this.#playing;
    if (this.#playing && this.atMs === undefined) this.atMs = 0;
    this.#lastMs = performance.now();
    if (this.#playing) requestAnimationFrame(this.#play);
    this.#onChange();
  }

  #play = () => {
    if (!this.#playing || this.#signal.aborted) return;
    const nowMs = performance.now();
    const nextMs = (this.atMs ?? 0) + (nowMs - this.#lastMs) * this.#speed;
    this.#lastMs = nowMs;
    this.#goTo(nextMs);
    if (this.#playing) requestAnimationFrame(this.#play);
  };

  /** @param {number} atMs */
  #goTo(atMs) {
    const isEnd = atMs >= this.#durationMs;
    if (isEnd) this.#playing = false;
    this.atMs = isEnd ? undefined : atMs;
    this.#onChange();
  }
}
