import type { Parse } from "../http.ts";
import { ProblemError } from "../problem.ts";
import type { Place, Source } from "../source.ts";
import type { Message, Problem } from "../wire.ts";
import { type Link, whileAlive } from "./link.ts";
import { Queue } from "./queue.ts";

/** What tabs send each other. `to` and `from` are tabs. */
type Note = { readonly to: string; readonly key: string } & (
  | { readonly kind: "open"; readonly from: string; readonly source: Source; readonly place: Place }
  | { readonly kind: "stop" }
  /** As JSON: what `parse` makes of it may not survive a copy. */
  | { readonly kind: "message"; readonly json: string }
  | { readonly kind: "end"; readonly problem?: Problem | undefined }
);

/** The one that holds the connections, whichever tab that is. */
const LEADER = "leader";
/** The leader has changed: what it served is opened again with the new one. */
const CHANGED = "changed";
/** Ends an attempt; the next one follows at once. */
const MOVED: Message = { type: "bye", reason: "moved", reconnect: true, retry_ms: 0 };
/** Time in which a leader shows that it is not frozen. It grows while leaders are replaced: the machine may be busy. */
const ANSWER_WITHIN_MS = 3000;
const MOST_ANSWER_WITHIN_MS = 48_000;

/** Whether tabs of this browser can share their connections. */
export function canShare(): boolean {
  return (
    "BroadcastChannel" in globalThis && !!globalThis.navigator?.locks && "document" in globalThis
  );
}

/**
 * One tab holds the connections of all tabs of an origin that use the same server with the same credential.
 *   TABS-1. The leader is the tab that holds a lock. The browser releases it when the tab closes or crashes; a leader
 *       that does not answer loses it. A tab that is frozen gives it up: Chromium's still answer other tabs, without a network.
 *   TABS-2. Every tab keeps its own places, so a change of the leader loses and repeats nothing.
 */
export class SharedLink implements Link {
  readonly #direct: Link;
  readonly #name: string;
  readonly #parse: Parse;
  readonly #tab = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #queues = new Map<string, Queue<Message>>();
  /** As the leader: what is served to other tabs. */
  readonly #served = new Map<string, AbortController>();
  /** Settles when it is known whether another tab leads. */
  readonly #ready: Promise<void>;
  #leads = false;
  /** Aborted when this tab is frozen: it neither leads nor waits to. */
  #awake = new AbortController();
  #keys = 0;
  #answerWithinMs = ANSWER_WITHIN_MS;

  /** @param name the same for all who may share: by server and credential */
  constructor(direct: Link, name: string, parse: Parse) {
    this.#direct = direct;
    this.#name = name;
    this.#parse = parse;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#take(data as Note);
    // Held until this tab is closed: the leader detects by it that a tab is gone.
    void navigator.locks.request(this.#tab, () => new Promise(() => {}));
    this.#ready = new Promise((resolve) => {
      this.#compete({ ifAvailable: true }, resolve);
    });
    document.addEventListener("freeze", () => this.#awake.abort());
    document.addEventListener("resume", () => {
      this.#awake = new AbortController();
      this.#compete();
    });
  }

  async *open(source: Source, place: Place, signal: AbortSignal): AsyncGenerator<Message, void> {
    await this.#ready;
    if (this.#leads) {
      yield* this.#direct.open(source, place, signal);
      return;
    }
    const key = `${this.#tab}.${++this.#keys}`;
    const queue = new Queue<Message>();
    this.#queues.set(key, queue);
    const onAbort = () => queue.end();
    signal.addEventListener("abort", onAbort);
    const answerWithinMs = this.#answerWithinMs * (1 + Math.random());
    const frozen = setTimeout(() => this.#compete({ steal: true }), answerWithinMs);
    try {
      this.#send({ kind: "open", to: LEADER, from: this.#tab, key, source, place });
      for await (const message of whileAlive(queue[Symbol.asyncIterator](), signal)) {
        clearTimeout(frozen);
        if (message !== MOVED) this.#answerWithinMs = ANSWER_WITHIN_MS;
        yield message;
      }
    } finally {
      clearTimeout(frozen);
      signal.removeEventListener("abort", onAbort);
      this.#queues.delete(key);
      this.#send({ kind: "stop", to: LEADER, key });
    }
  }

  /** Becomes the leader when the present one is gone, or at once instead of one that does not answer: TABS-1. */
  #compete(options: LockOptions = { signal: this.#awake.signal }, onKnown = () => {}): void {
    const { signal } = this.#awake;
    const take = async (lock: Lock | null) => {
      this.#leads = lock !== null && !signal.aborted;
      onKnown();
      if (!this.#leads) return this.#compete();
      this.#send({ kind: "end", to: CHANGED, key: "" });
      this.#move();
      await new Promise<unknown>((resolve) => signal.addEventListener("abort", resolve));
      this.#resign();
    };
    if (signal.aborted) return;
    navigator.locks.request(this.#name, options, take).catch(() => {
      if (signal.aborted) return;
      // Another tab has taken over.
      this.#resign();
      this.#compete();
    });
  }

  #resign(): void {
    this.#leads = false;
    for (const each of this.#served.values()) each.abort();
  }

  #move(): void {
    this.#answerWithinMs = Math.min(2 * this.#answerWithinMs, MOST_ANSWER_WITHIN_MS);
    for (const queue of this.#queues.values()) queue.push(MOVED);
  }

  #take(note: Note): void {
    const { to, key } = note;
    if (to === CHANGED) this.#move();
    else if (to === LEADER && this.#leads) {
      if (note.kind === "open") void this.#serve(note.from, key, note.source, note.place);
      else this.#served.get(key)?.abort();
    } else if (to === this.#tab) {
      const queue = this.#queues.get(key);
      if (note.kind === "message") queue?.push(this.#parse(note.json) as Message);
      if (note.kind === "end") queue?.end(note.problem && new ProblemError(note.problem));
    }
  }

  async #serve(tab: string, key: string, source: Source, place: Place): Promise<void> {
    const stopped = new AbortController();
    const { signal } = stopped;
    this.#served.set(key, stopped);
    // Granted when the tab is gone.
    navigator.locks.request(tab, { signal }, () => stopped.abort()).catch(() => undefined);
    let problem: Problem | undefined;
    try {
      const pass = (message: Message) =>
        this.#send({ kind: "message", to: tab, key, json: JSON.stringify(message) });
      pass({ type: "bytes" });
      for await (const message of this.#direct.open(source, place, signal)) pass(message);
    } catch (error) {
      if (error instanceof ProblemError) problem = error.problem;
    }
    this.#served.delete(key);
    stopped.abort();
    this.#send({ kind: "end", to: tab, key, problem });
  }

  #send(note: Note): void {
    this.#channel.postMessage(note);
  }
}
