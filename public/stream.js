/**
 * Keeps the page's operations current: over one EventSource or, where other tabs have taken the
 * browser's connections, by polling.
 *
 *   STREAM-1. At most one EventSource is open. To follow one more operation it is replaced by one
 *       with a longer list, which resumes after the last event received.
 *   STREAM-2. With nothing left to follow, or nobody to see it, nothing is open and nothing reconnects.
 *   STREAM-3. A stream that is refused, or silent for too long, is opened again with growing pauses,
 *       without end.
 *   STREAM-4. Only the holder of a slot (stream-slot.js) opens an EventSource.
 *
 * When a stream breaks, the EventSource first reconnects by itself: after the pause the server named,
 * with the last event id. Where a service worker drops that id, the stream starts from the id in its
 * URL, and states that the page has shown already arrive again; the board ignores older ones.
 *
 * @import { Operation } from "./operation.js"
 *
 * @typedef {object} ConnectionState
 * @property {"idle" | "connecting" | "live" | "polling" | "paused" | "retrying" | "lost"} phase
 * @property {string} [problem] the server answers, but cannot see the operations: why
 *
 * @typedef {object} StreamOptions
 * @property {() => string[]} activeIds the operations to follow: those not known to have ended
 * @property {(operation: Operation, type: "snapshot" | "update") => void} onOperation
 * @property {(operationId: string) => void} onUnknown the scheduler does not know this operation
 * @property {(state: ConnectionState) => void} onState
 */

import { parseJson } from "./json.js";
import { SilenceDetector } from "./silence.js";
import { pollStatus } from "./status-poll.js";
import { StreamSlot } from "./stream-slot.js";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Between two polls of a tab without a slot. Each poll first tries to get one. */
const POLL_INTERVAL_MS = 3_000;

export class OperationStream {
  #options;
  #slot = new StreamSlot();
  #silence = new SilenceDetector(() => this.#lose());
  #paused = false;
  /** @type {EventSource | undefined} */
  #source;
  /** Counts restarts, so that a result of an earlier one is recognised and dropped. */
  #attempt = 0;
  /** Resumes the next stream; empty asks for a snapshot of everything. */
  #lastEventId = "";
  /** When the server last read from the scheduler, by its own clock. */
  #asOf = "";
  #losses = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #restarting;
  /** @type {ConnectionState} */
  #state = { phase: "idle" };

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Closes the stream until `resume`. */
  pause() {
    this.#paused = true;
    this.restart();
  }

  resume() {
    if (!this.#paused) return;
    this.#paused = false;
    this.restart();
  }

  /** Follows the operations that are active now: opens a stream, replaces the open one, or closes it. */
  restart() {
    this.#drop();
    if (this.#options.activeIds().length === 0) return this.#rest("idle"); // STREAM-2
    if (this.#paused) return this.#rest("paused"); // STREAM-2
    // Replacing a live stream is not worth a flicker, and a lost one stays lost until it answers.
    const { phase } = this.#state;
    if (phase === "idle" || phase === "paused") this.#report({ phase: "connecting" });
    void this.#connect(this.#attempt);
  }

  /** @param {number} attempt */
  async #connect(attempt) {
    const granted = await this.#slot.take();
    if (attempt !== this.#attempt) return;
    if (granted) this.#open();
    else await this.#poll(attempt); // STREAM-4
  }

  #open() {
    const source = new EventSource(streamUrl(this.#options.activeIds(), this.#lastEventId));
    source.onopen = () => this.#opened();
    source.onerror = () =>
      source.readyState === EventSource.CLOSED ? this.#refused() : this.#broken();
    this.#listen(source, "snapshot", (message) => this.#show(message));
    this.#listen(source, "update", (message) => this.#show(message));
    this.#listen(source, "heartbeat", (message) => this.#heartbeat(message));
    this.#listen(source, "problem", (message) => this.#problem(message));
    this.#listen(source, "bye", (message) => this.#bye(message));
    this.#source = source;
    this.#silence.opening();
  }

  /** @param {number} attempt */
  async #poll(attempt) {
    const results = await pollStatus(this.#options.activeIds()).catch(() => undefined);
    if (attempt !== this.#attempt) return;
    if (!results) return this.#lose();
    this.#losses = 0;
    let problem;
    for (const result of results) {
      if (result.kind === "found") this.#options.onOperation(result.operation, "update");
      else if (result.kind === "unknown") this.#options.onUnknown(result.id);
      else problem = result.detail;
    }
    this.#report(problem === undefined ? { phase: "polling" } : { phase: "polling", problem });
    this.#restarting = setTimeout(() => this.restart(), POLL_INTERVAL_MS);
  }

  /**
   * @param {EventSource} source
   * @param {string} type
   * @param {(message: any) => void} take
   */
  #listen(source, type, take) {
    source.addEventListener(type, (event) => {
      this.#lastEventId = event.lastEventId || this.#lastEventId;
      this.#losses = 0;
      this.#silence.received();
      take(parseJson(event.data));
    });
  }

  /** @param {{ type: "snapshot" | "update", operation: Operation }} message */
  #show({ type, operation }) {
    this.#report({ phase: "live" });
    this.#options.onOperation(operation, type);
  }

  /**
   * Only a read that is newer than the last one proves that the scheduler answers again.
   *
   * @param {{ as_of?: string | null }} message */
  #heartbeat({ as_of: asOf }) {
    this.#silence.heardHeartbeat();
    if (!asOf) return;
    if (this.#asOf !== "" && asOf > this.#asOf) this.#report({ phase: "live" });
    this.#asOf = asOf;
  }

  /** @param {{ operation_id?: string, problem: { status: number, title: string, detail?: string } }} message */
  #problem({ operation_id: id, problem }) {
    if (id === undefined) {
      this.#asOf = ""; // the last read may be newer than the last heartbeat, and proves nothing
      return this.#report({ phase: "live", problem: problem.detail ?? problem.title });
    }
    if (problem.status === 404 || problem.status === 410) this.#options.onUnknown(id);
    if (this.#options.activeIds().length === 0) this.restart(); // STREAM-2
  }

  /** @param {{ reason: string, reconnect: boolean }} message */
  #bye({ reason, reconnect }) {
    if (reconnect) return; // the server ends the stream now, and the EventSource reconnects by itself
    this.#drop();
    const isUnknown = reason === "gone" || reason === "not-found"; // all of them, then
    if (isUnknown) this.#options.activeIds().forEach(this.#options.onUnknown);
    this.#settle();
  }

  /** Opened by the page, or once more by the browser. */
  #opened() {
    this.#silence.received();
    this.#report({ ...this.#state, phase: "live" });
  }

  /**
   * The browser opens it again after a pause, and this runs whenever that fails. The time allowed for
   * it counts from the break, not from the last attempt.
   */
  #broken() {
    if (this.#state.phase === "lost") return this.#lose(); // with a growing pause
    if (this.#state.phase === "retrying") return;
    this.#silence.opening();
    this.#report({ phase: "retrying" });
  }

  /** The server answered with 204 (nothing more will come) or with an error: the EventSource gives up. */
  #refused() {
    this.#drop();
    this.#settle();
  }

  /** A stream ended for good. The page is idle, unless it shows something that is still active. */
  #settle() {
    if (this.#options.activeIds().length === 0) return this.#rest("idle");
    this.#lastEventId = ""; // the server and the page disagree on what was seen: ask for everything
    this.#lose();
  }

  /** Closes the stream and opens another after a pause: random, so that many pages do not come at once. */
  #lose() {
    this.#drop();
    const longestMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#losses, LONGEST_PAUSE_MS);
    this.#losses += 1;
    this.#restarting = setTimeout(() => this.restart(), longestMs * (0.5 + Math.random() / 2));
    this.#report({ phase: "lost" });
  }

  /** @param {"idle" | "paused"} phase */
  #rest(phase) {
    this.#slot.release();
    this.#report({ phase });
  }

  #drop() {
    this.#attempt += 1;
    clearTimeout(this.#restarting);
    this.#silence.stop();
    this.#source?.close();
    this.#source = undefined;
  }

  /** @param {ConnectionState} state */
  #report(state) {
    if (state.phase === this.#state.phase && state.problem === this.#state.problem) return;
    this.#state = state;
    this.#options.onState(state);
  }
}

/**
 * @param {string[]} ids
 * @param {string} after
 */
function streamUrl(ids, after) {
  const query = new URLSearchParams(ids.map((id) => ["operation_id", id]));
  if (after !== "") query.set("after", after);
  return `/api/events?${query}`;
}
