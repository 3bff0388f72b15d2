/**
 * The page's one connection: an EventSource that follows every operation still running.
 *
 *   S1. At most one EventSource is open. To follow one more operation it is replaced by one with a
 *       longer list, which resumes after the last event seen.
 *   S2. When nothing is left to follow, nothing is open and nothing reconnects.
 *   S3. A stream that is refused, or has gone quiet, is opened again, with growing pauses, for ever.
 *
 * A stream that merely breaks is at first the EventSource's own to repair: it reconnects after the
 * pause the server named, and sends the last event id.
 *
 * @import { Operation } from "./operation.js"
 *
 * @typedef {object} ConnectionState
 * @property {"idle" | "connecting" | "live" | "retrying" | "lost"} phase
 * @property {string} [trouble] the stream is open, but the server cannot see the operations: why
 *
 * @typedef {object} StreamOptions
 * @property {() => string[]} liveIds the operations to follow: those not known to have ended
 * @property {(operation: Operation) => void} onOperation
 * @property {(operationId: string) => void} onUnknown the scheduler knows no such operation (any more)
 * @property {(state: ConnectionState) => void} onState
 */

import { SilenceDetector } from "./silence.js";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

export class OperationStream {
  #options;
  #silence = new SilenceDetector(() => this.#lose());
  /** @type {EventSource | undefined} */
  #source;
  /** Resumes the next stream; empty asks for a snapshot of everything. */
  #lastEventId = "";
  /** When the server last read from the scheduler, by its own clock. */
  #asOf = "";
  #losses = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reopening;
  /** @type {ConnectionState} */
  #state = { phase: "idle" };

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Follows the operations that are live now: opens a stream, replaces the open one, or closes it. */
  restart() {
    this.#drop();
    const ids = this.#options.liveIds();
    if (ids.length === 0) return this.#report({ phase: "idle" }); // S2

    const source = new EventSource(streamUrl(ids, this.#lastEventId));
    source.onopen = () => this.#opened();
    source.onerror = () =>
      source.readyState === EventSource.CLOSED ? this.#refused() : this.#broken();
    this.#listen(source, "snapshot", (message) => this.#show(message));
    this.#listen(source, "update", (message) => this.#show(message));
    this.#listen(source, "heartbeat", (message) => this.#beat(message));
    this.#listen(source, "problem", (message) => this.#trouble(message));
    this.#listen(source, "bye", (message) => this.#bye(message));
    this.#source = source;
    this.#silence.opening();
    // Replacing a live stream is not worth a flicker, and a lost one stays lost until it answers.
    if (this.#state.phase === "idle") this.#report({ phase: "connecting" });
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
      this.#silence.heard();
      take(JSON.parse(event.data));
    });
  }

  /** @param {{ operation: Operation }} message */
  #show({ operation }) {
    this.#report({ phase: "live" });
    this.#options.onOperation(operation);
  }

  /**
   * Only a read that is newer than the last one proves that the scheduler answers again.
   *
   * @param {{ as_of?: string | null }} message */
  #beat({ as_of: asOf }) {
    this.#silence.heardHeartbeat();
    if (!asOf) return;
    if (this.#asOf !== "" && asOf > this.#asOf) this.#report({ phase: "live" });
    this.#asOf = asOf;
  }

  /** @param {{ operation_id?: string, problem: { status: number, title: string, detail?: string } }} message */
  #trouble({ operation_id: id, problem }) {
    if (id === undefined) {
      this.#asOf = ""; // the last read may be newer than the last heartbeat, and proves nothing
      return this.#report({ phase: "live", trouble: problem.detail ?? problem.title });
    }
    if (problem.status === 404 || problem.status === 410) this.#options.onUnknown(id);
    if (this.#options.liveIds().length === 0) this.restart(); // S2
  }

  /** @param {{ reason: string, reconnect: boolean }} message */
  #bye({ reason, reconnect }) {
    if (reconnect) return; // the server ends the stream now, and the EventSource comes back by itself
    this.#drop();
    if (reason === "gone") this.#options.liveIds().forEach(this.#options.onUnknown);
    this.#settle();
  }

  /** Opened by the page, or once more by the browser. */
  #opened() {
    this.#silence.heard();
    this.#report({ ...this.#state, phase: "live" });
  }

  /**
   * The browser opens it again after a pause, and comes through here whenever that fails. The
   * patience for this counts from the break, not from the last attempt.
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

  /** A stream ended for good: that is the end, unless the page shows something that still runs. */
  #settle() {
    if (this.#options.liveIds().length === 0) return this.#report({ phase: "idle" });
    this.#lastEventId = ""; // the server and the page disagree on what was seen: ask for everything
    this.#lose();
  }

  /** Closes the stream and opens another after a pause: random, so that many pages do not come at once. */
  #lose() {
    this.#drop();
    const longestMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#losses, LONGEST_PAUSE_MS);
    this.#losses += 1;
    this.#reopening = setTimeout(() => this.restart(), longestMs * (0.5 + Math.random() / 2));
    this.#report({ phase: "lost" });
  }

  #drop() {
    clearTimeout(this.#reopening);
    this.#silence.stop();
    this.#source?.close();
    this.#source = undefined;
  }

  /** @param {ConnectionState} state */
  #report(state) {
    if (state.phase === this.#state.phase && state.trouble === this.#state.trouble) return;
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
