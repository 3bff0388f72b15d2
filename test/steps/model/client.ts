import { isTerminal } from "../../../src/streaming/operation/operation-status.ts";
import { Client } from "../../model/client.ts";
import { type Data, type Link, openSocket, openSse } from "../../model/link.ts";
import type { PlannedOperation } from "./operations.ts";

/** How the server ended the last connection, so that no reconnect follows. */
type End = "terminal" | "gone" | "204" | "404";

/** A server that has nothing to send opens the stream after 2 s. Timers may fire a little early. */
const OPENED_LATE_MS = 1900;

/**
 * A client that receives the status and the steps of one operation. It checks each event on arrival,
 * and keeps what can only be checked at the end.
 */
export class StepsClient extends Client {
  readonly operation: PlannedOperation;
  /** The steps received of the present execution. */
  steps: string[] = [];
  resets = new Map<string, number>();
  /** Undefined while it is connected, or has disconnected by itself. */
  end: End | undefined;
  /** Whether the server opened the stream before it knew what to send. */
  openedLate = false;
  readonly transport: "sse" | "ws";
  readonly #payloads: boolean;
  #lastId: string | undefined;
  #document: Data | undefined;
  #statesOnThisLink = 0;
  #connectedAtMs = 0;

  constructor(
    number: number,
    transport: "sse" | "ws",
    operation: PlannedOperation,
    replicas: readonly URL[],
    payloads: boolean,
    note: (what: string) => void,
  ) {
    super(`${transport}${number}`, replicas, note);
    this.transport = transport;
    this.operation = operation;
    this.#payloads = payloads;
  }

  override connect(replica: number): void {
    this.end = undefined;
    this.openedLate = false;
    this.#connectedAtMs = performance.now();
    this.#statesOnThisLink = 0;
    super.connect(replica);
    this.note(`resumes after ${this.#lastId ?? "nothing"}`);
  }

  protected open(replica: URL): Link {
    return this.transport === "sse" ? this.#openSse(replica) : this.#openSocket(replica);
  }

  #openSse(replica: URL): Link {
    const url = new URL(`/api/operations/${this.operation.id}/events?detail=steps`, replica);
    if (this.#payloads) url.searchParams.set("include", "payloads");
    return openSse(url, this.#lastId, {
      onStatus: (status) => {
        if (status === 204 || status === 404) this.#ended(status === 204 ? "204" : "404");
        else if (status !== 200) this.fault(`got status ${status}`);
        else this.openedLate = performance.now() - this.#connectedAtMs > OPENED_LATE_MS;
      },
      onMessage: (type, data, id) => {
        this.#lastId = id ?? this.#lastId;
        if (type !== "bye") this.#take(type, data);
        else if (data.reconnect) this.reconnect(data.reason);
        else this.#ended(data.reason);
      },
      onFault: (what) => this.fault(what),
    });
  }

  #openSocket(replica: URL): Link {
    const link = openSocket(replica, {
      onOpen: () =>
        link.send({
          type: "subscribe",
          sub: "s",
          operation_id: this.operation.id,
          detail: "steps",
          ...(this.#payloads && { include: "payloads" }),
          ...(this.#lastId !== undefined && { after: this.#lastId }),
        }),
      onMessage: (type, data) => {
        if (typeof data.cursor === "string") this.#lastId = data.cursor;
        if (type === "bye") this.reconnect(data.reason);
        else if (type === "unsubscribed") {
          this.#ended(data.reason === "not-found" ? "404" : data.reason);
        } else if (type !== "problem" || data.problem.status !== 404) this.#take(type, data);
      },
      onFault: (what) => this.fault(what),
    });
    return link;
  }

  #take(type: string, data: Data): void {
    if (type === "step") this.#step(data);
    else if (type === "reset") this.#reset(data);
    else if (type === "snapshot" || type === "update") this.#state(type, data);
    else if (type === "problem") this.fault(`got a problem: ${JSON.stringify(data.problem)}`);
  }

  #step({ seq, kind, at, ...rest }: Data): void {
    this.note(`step ${seq} ${kind} ${at}`);
    if (seq !== this.steps.length + 1) {
      this.fault(`STEPS-1: step ${seq} follows step ${this.steps.length}`);
    }
    if (!this.#payloads && ("input" in rest || "output" in rest))
      this.fault("received payloads that it did not ask for");
    if (!this.#document) this.fault("received a step before any state");
    this.steps.push(`${kind} ${at}`);
  }

  #reset({ reason, last_seq }: Data): void {
    this.note(`reset ${reason} ${last_seq}`);
    if (last_seq !== this.steps.length) {
      this.fault(`STEPS-3: last_seq of a reset is ${last_seq} after ${this.steps.length} steps`);
    }
    this.steps = [];
    this.resets.set(reason, (this.resets.get(reason) ?? 0) + 1);
    const most: Record<string, number> = {
      continued_as_new: this.operation.generations,
      rewound: this.operation.rewinds,
      replaced: this.operation.incarnations - 1,
    };
    if ((this.resets.get(reason) ?? 0) > (most[reason] ?? 0)) {
      this.fault(`STEPS-3: one ${reason} too many: it happened ${most[reason] ?? 0} times`);
    }
  }

  #state(type: string, { operation }: Data): void {
    const { status, created_at, last_updated, custom_status = "-", cursor } = operation;
    this.note(`${type} ${status} ${custom_status} ${cursor}`);
    const former = this.#document;
    const isFirst = this.#statesOnThisLink === 0 || isTerminal(former?.status);
    if ((type === "snapshot") !== isFirst) this.fault(`C2: ${type}`);
    this.#statesOnThisLink += 1;
    if (former && `${created_at} ${last_updated}` < `${former.created_at} ${former.last_updated}`) {
      this.fault("C2: received an older state");
    }
    if (former && contentOf(former) === contentOf(operation)) {
      this.fault("C2, C4: received the same state again");
    }
    this.#document = operation;
  }

  #ended(how: End): void {
    this.note(`ends: ${how}`);
    this.closeLink();
    this.end = how;
    const hasEnded = this.#document && isTerminal(this.#document.status);
    if ((how === "terminal" || how === "204") && !hasEnded) {
      this.fault(`C3: ${how} without a terminal state`);
    }
  }
}

function contentOf({ cursor: _cursor, last_updated: _updated, ...rest }: Data): string {
  return JSON.stringify(rest);
}
