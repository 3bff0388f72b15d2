import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

export interface HintSenderOptions {
  /** Where dts-push is, such as `http://push.internal:8000`; a path in it is the prefix of its paths. */
  readonly url: string | URL;
  /** Its credential, with the scope `hints:send`. */
  readonly token?: string | undefined;
  /** Further headers of each request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Gets one line when hints cannot be sent, and one when they can be sent again. */
  readonly log?: HintLog | undefined;
  readonly onOutcome?: (outcome: HintOutcome, count: number) => void;
}

export interface HintLog {
  warn(members: object, text: string): void;
  info(members: object, text: string): void;
}

/** What became of hints. */
export type HintOutcome =
  | "sent"
  /** The server did not take them, or not in time. */
  | "failed"
  /** The queue was full, or they became too old while the server did not answer. */
  | "dropped";

/** How long hints are collected for one request. */
const COLLECT_MS = 5;
/** The server takes no more in one request. */
const MAX_IDS = 1000;
/** Ids that wait. The oldest are dropped beyond it: each costs its viewers at most a poll interval. */
const MAX_WAITING = 10_000;
const ANSWER_WITHIN_MS = 2000;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;

type State =
  | { readonly kind: "idle" }
  /** Hints are collected until the timer fires. */
  | { readonly kind: "collecting"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "sending" }
  /** The server did not answer. The next hint after this pause finds out whether it does again. */
  | { readonly kind: "resting"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "closed" };

/**
 * Sends hints to one server: "read these operations now".
 *   HINT-1. `hint` never waits and never throws. One request is in flight at a time.
 *   HINT-2. The ids that wait are a set of at most 10,000: hints of one operation merge.
 *   HINT-3. What a server does not take is not repeated: it reads by itself before long. While it does
 *       not answer, one request after a growing pause finds out when it does.
 */
export class HintSender {
  readonly #options: HintSenderOptions;
  readonly #url: URL;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #waiting = new Set<string>();
  #state: State = { kind: "idle" };
  /** Requests in a row that were not answered. */
  #failures = 0;

  constructor(options: HintSenderOptions) {
    this.#options = options;
    const base = new URL(options.url);
    base.pathname = base.pathname.replace(/\/*$/, "/");
    this.#url = new URL("api/hints", base);
    const Agent = base.protocol === "https:" ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  /** An operation has changed. */
  hint(operationId: string): void {
    if (this.#state.kind === "closed") return;
    this.#waiting.delete(operationId); // Again the newest.
    this.#waiting.add(operationId);
    if (this.#waiting.size > MAX_WAITING) this.#dropOldest(this.#waiting.size - MAX_WAITING);
    if (this.#state.kind !== "idle") return;
    this.#state = { kind: "collecting", timer: setTimeout(() => void this.#send(), COLLECT_MS) };
  }

  /** Drops what waits, and closes the connection. */
  close(): void {
    if ("timer" in this.#state) clearTimeout(this.#state.timer);
    this.#state = { kind: "closed" };
    this.#waiting.clear();
    this.#agent.destroy();
  }

  async #send(): Promise<void> {
    this.#state = { kind: "sending" };
    const ids = [...this.#waiting].slice(-MAX_IDS);
    for (const id of ids) this.#waiting.delete(id);
    const error = await this.#request(JSON.stringify({ operation_ids: ids })).then(
      () => undefined,
      (reason: Error) => reason,
    );
    // Checked again: it may have been closed meanwhile.
    if ((this.#state as State).kind === "closed") return;
    this.#options.onOutcome?.(error ? "failed" : "sent", ids.length);
    if (error) this.#rest(error);
    else this.#goOn();
  }

  #goOn(): void {
    if (this.#failures > 0)
      this.#options.log?.info({ url: this.#url.origin }, "hints are sent again");
    this.#failures = 0;
    if (this.#waiting.size === 0) this.#state = { kind: "idle" };
    else void this.#send();
  }

  #rest(error: Error): void {
    const failures = this.#failures++;
    if (failures === 0) {
      const members = { url: this.#url.origin, reason: error.message };
      this.#options.log?.warn(members, "hints cannot be sent: viewers wait for the next poll");
    }
    this.#dropOldest(this.#waiting.size); // Older than the poll interval by the time of the next attempt.
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
    const timer = setTimeout(() => {
      this.#state = { kind: "idle" };
      const [waiting] = this.#waiting;
      if (waiting !== undefined) this.hint(waiting);
    }, pauseMs);
    timer.unref();
    this.#state = { kind: "resting", timer };
  }

  #dropOldest(count: number): void {
    if (count === 0) return;
    for (const id of [...this.#waiting].slice(0, count)) this.#waiting.delete(id);
    this.#options.onOutcome?.("dropped", count);
  }

  #request(body: string): Promise<void> {
    const { token, headers } = this.#options;
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = send(
      this.#url,
      {
        method: "POST",
        agent: this.#agent,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          ...(token && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      (response) => {
        response.resume();
        response.once("error", reject);
        response.once("end", () => {
          const { statusCode = 0 } = response;
          if (statusCode === 204) resolve();
          else reject(new Error(`it answers ${statusCode}`));
        });
      },
    );
    request.once("error", reject);
    request.end(body);
    return promise;
  }
}
