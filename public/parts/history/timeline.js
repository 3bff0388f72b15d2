import { operationPath } from "../../app/router.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { duration } from "../time.js";
import { barsOf } from "./timeline-model.js";

/**
 * The history of an operation as bars over time. It can be zoomed and moved, by buttons, keys and the wheel.
 *
 * @typedef {import("../../client/client.js").Step} Step
 * @typedef {import("./timeline-model.js").Bar} Bar
 */

/** Bars that are drawn; a longer history shows its newest ones, and says so. */
const MAX_BARS = 500;
const TICKS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
  1_800_000, 3_600_000, 10_800_000, 43_200_000, 86_400_000, 604_800_000, 2_592_000_000,
];
/** @type {Record<Bar["kind"], string>} */
const SIGNS = {
  orchestration: "◆",
  activity: "▪",
  timer: "◷",
  event: "✦",
  child: "⤷",
  entity: "◉",
};

/** Which part of the time is shown, as shares of the whole. */
export class TimelineView {
  from = 0;
  to = 1;
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** @param {number} factor below 1: closer @param {number} [at] the share that stays where it is */
  zoom(factor, at = (this.from + this.to) / 2) {
    const width = Math.min(1, Math.max(0.001, (this.to - this.from) * factor));
    const from = at - ((at - this.from) / (this.to - this.from)) * width;
    this.#show(from, width);
  }

  /** @param {number} share of what is shown */
  move(share) {
    const width = this.to - this.from;
    this.#show(this.from + share * width, width);
  }

  fit() {
    this.#show(0, 1);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const actions = {
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.fit(),
      ArrowLeft: () => this.move(-0.2),
      ArrowRight: () => this.move(0.2),
    };
    const act = /** @type {Record<string, () => void>} */ (actions)[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  /** @param {WheelEvent} event with Ctrl or a pinch it zooms, sideways it moves */
  onWheel(event) {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const share = (event.clientX - box.left) / box.width;
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.from + share * (this.to - this.from));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.move(event.deltaX / box.width);
    }
  }

  /** @param {number} from @param {number} width */
  #show(from, width) {
    this.from = Math.max(0, Math.min(1 - width, from));
    this.to = this.from + width;
    this.#onChange();
  }
}

/**
 * @param {readonly Step[]} steps
 * @param {{ startMs: number, endMs: number }} span
 * @param {TimelineView} view
 * @param {number} nowMs up to here active bars reach, and nothing later is drawn
 */
export function timeline(steps, { startMs, endMs }, view, nowMs) {
  const all = barsOf(steps, nowMs);
  const bars = all.length > MAX_BARS ? [...all.slice(0, 1), ...all.slice(1 - MAX_BARS)] : all;
  const wholeMs = Math.max(1, endMs - startMs);
  const fromMs = startMs + view.from * wholeMs;
  const shownMs = (view.to - view.from) * wholeMs;
  const share = (/** @type {number} */ ms) => ((ms - fromMs) / shownMs) * 100;
  return html`<div class="timeline" role="group" aria-label="Timeline" tabindex="0"
    @keydown=${(/** @type {KeyboardEvent} */ event) => view.onKey(event)}>
    <div class="tools">
      <button type="button" aria-label="Zoom in" @click=${() => view.zoom(0.5)}>+</button>
      <button type="button" aria-label="Zoom out" ?disabled=${view.to - view.from >= 1} @click=${() => view.zoom(2)}>−</button>
      <button type="button" ?disabled=${view.to - view.from >= 1} @click=${() => view.fit()}>Fit</button>
      <span class="quiet">${duration(wholeMs)} in all</span>
      <span class="quiet hint">Bars include waiting for a worker. Keys: + − ← → 0</span>
    </div>
    ${all.length > bars.length ? html`<p class="quiet">The newest ${MAX_BARS} of ${all.length.toLocaleString("en")} are drawn. The history below has all.</p>` : nothing}
    <div class="bars" @wheel=${{ handleEvent: (/** @type {WheelEvent} */ event) => view.onWheel(event), passive: false }}>
      <div class="axis" aria-hidden="true">${ticks(fromMs - startMs, shownMs).map((ms) => {
        const left = share(startMs + ms);
        // A line alone where there is no room to the right of it.
        const text = left > 85 ? nothing : ms === 0 ? "0" : `+${duration(ms)}`;
        return html`<span class=${left > 60 ? "late" : ""} .style=${`left: ${left}%`}>${text}</span>`;
      })}</div>
      <ol>${repeat(
        bars,
        ({ seq }) => seq,
        (bar) => barRow(bar, share, nowMs),
      )}</ol>
    </div>
  </div>`;
}

/** @param {Bar} bar @param {(ms: number) => number} share @param {number} nowMs */
function barRow(bar, share, nowMs) {
  const { kind, name, state, startMs, attempt, childId, error } = bar;
  const endMs = bar.endMs ?? nowMs;
  const [left, right] = [Math.max(0, share(startMs)), Math.min(100, share(endMs))];
  const isOutside = right < 0 || left > 100;
  const took = state === "point" ? "" : duration(endMs - startMs);
  const title = `${name}: ${state === "point" ? "event" : state}${took && `, ${took}`}${attempt > 1 ? `, attempt ${attempt}` : ""}${error ? `, ${error.type}: ${error.message}` : ""}`;
  return html`<li class="bar-row ${kind}">
    <span class="label" title=${title}>
      <span aria-hidden="true">${SIGNS[kind]}</span>
      ${childId ? html`<a href=${operationPath(childId)}>${name}</a>` : html`<span class="name">${name || "orchestration"}</span>`}
      ${attempt > 1 ? html`<span class="attempt"><span>attempt</span> ${attempt}</span>` : nothing}
    </span>
    <span class="track" role="img" aria-label=${title}>
      ${isOutside ? nothing : html`<span class="bar ${state}" .style=${state === "point" ? `left: ${left}%` : `left: ${left}%; width: ${Math.max(0, right - left)}%`}></span>`}
    </span>
    <span class="took number ${state}">${state === "failed" ? "✕ " : ""}${took}</span>
  </li>`;
}

/** Round times within what is shown, five to ten of them. @param {number} fromMs @param {number} widthMs */
function ticks(fromMs, widthMs) {
  const every = TICKS.find((ms) => widthMs / ms <= 6) ?? /** @type {number} */ (TICKS.at(-1));
  const first = Math.ceil(fromMs / every) * every;
  const count = Math.floor((fromMs + widthMs - first) / every) + 1;
  return Array.from(
    { length: Math.max(0, Math.min(count, 20)) },
    (_, index) => first + index * every,
  );
}
