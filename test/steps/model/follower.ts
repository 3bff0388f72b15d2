import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createParser } from "eventsource-parser";
import { WebSocket } from "ws";
import type { PlannedOperation } from "./operations.ts";

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sends.
type Data = Record<string, any>;

const LIVE = ["PENDING", "RUNNING", "SUSPENDED"];

/**
 * A client that follows PROTOCOL.md and receives the steps of one operation over one connection at a
 * time. It checks each event on arrival, and keeps what can only be checked at the end.
 */
export abstract class StepsClient {
  readonly name: string;
  readonly operation: PlannedOperation;
  readonly faults: string[] = [];
  /** The steps received of the present execution. */
  steps: string[] = [];
  resets = new Map<string, number>();
  connected = false;
  /** How the last connection ended, until the next one is opened. */
  end: "terminal" | "gone" | "204" | "404" | undefined;
  protected readonly payloads: boolean;
  protected replica = 0;
  protected lastId: string | undefined;
  /** Number of the connection. Events of an earlier one are ignored. */
  protected link = 0;
  readonly #replicas: readonly URL[];
  readonly #note: (what: string) => void;
  #document: Data | undefined;
  #statesOnThisLink = 0;

  constructor(
    name: string,
    operation: PlannedOperation,
    replicas: readonly URL[],
    payloads: boolean,
    note: (what: string) => void,
  ) {
    this.name = name;
    this.operation = operation;
    this.payloads = payloads;
    this.#replicas = replicas;
    this.#note = note;
  }

  connect(replica: number): void {
    this.disconnect();
    this.connected = true;
    this.end = undefined;
    this.replica = replica % this.#replicas.length;
    this.link += 1;
    this.#statesOnThisLink = 0;
    this.note(`connects to ${this.replica} after ${this.lastId ?? "nothing"}`);
    this.open(this.link);
  }

  disconnect(): void {
    if (!this.connected) return;
    this.note("disconnects");
    this.connected = false;
    this.link += 1;
    this.cut();
  }

  abstract stall(stalled: boolean): void;
  protected abstract open(link: number): void;
  protected abstract cut(): void;

  protected get url(): URL {
    return this.#replicas[this.replica] as URL;
  }

  protected note(what: string): void {
    this.#note(`    ${this.name} ${what}`);
  }

  protected fault(what: string): void {
    this.note(`FAULT ${what}`);
    this.faults.push(`${this.name}: ${what}`);
  }

  protected take(type: string, data: Data): void {
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
    if (!this.payloads && ("input" in rest || "output" in rest))
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
    const isFirst = this.#statesOnThisLink === 0 || !LIVE.includes(former?.status);
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

  protected ended(how: "terminal" | "gone" | "204" | "404"): void {
    this.note(`ends: ${how}`);
    this.connected = false;
    this.link += 1;
    this.end = how;
    const isOver = this.#document && !LIVE.includes(this.#document.status);
    if ((how === "terminal" || how === "204") && !isOver) {
      this.fault(`C3: ${how} without a terminal state`);
    }
  }

  /** The server ended the connection and asked the client to connect again. */
  protected reconnect(reason: string): void {
    this.note(`bye ${reason}`);
    this.connected = false;
    this.link += 1;
    this.connect(this.replica + 1);
  }
}

export class SseStepsClient extends StepsClient {
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;

  stall(stalled: boolean): void {
    if (stalled) this.#response?.pause();
    else this.#response?.resume();
  }

  protected open(link: number): void {
    const url = new URL(`/api/operations/${this.operation.id}/events?detail=steps`, this.url);
    if (this.payloads) url.searchParams.set("include", "payloads");
    const headers = this.lastId === undefined ? {} : { "last-event-id": this.lastId };
    const mine = () => this.link === link;
    this.#response = undefined;
    this.#request = request(url, { headers, agent: false }, (response) => {
      if (!mine()) return void response.destroy();
      this.#response = response;
      if (response.statusCode === 200) this.#listen(response, mine);
      else {
        response.resume();
        if (response.statusCode === 204) this.ended("204");
        else if (response.statusCode === 404) this.ended("404");
        else this.fault(`got status ${response.statusCode}`);
      }
    });
    this.#request.on("error", (error) => {
      if (mine()) this.fault(`request failed: ${error.message}`);
    });
    this.#request.end();
  }

  protected cut(): void {
    this.#request?.destroy();
  }

  #listen(response: IncomingMessage, mine: () => boolean): void {
    const parser = createParser({
      onEvent: ({ id, event = "message", data }) => {
        if (!mine()) return;
        this.lastId = id ?? this.lastId;
        const message = JSON.parse(data);
        if (event !== "bye") this.take(event, message);
        else if (message.reconnect) this.reconnect(message.reason);
        else this.ended(message.reason);
      },
    });
    response.setEncoding("utf8");
    response.on("data", (text: string) => parser.feed(text));
    response.on("error", () => undefined);
    response.on("close", () => {
      if (mine()) this.fault("the stream ended without bye");
    });
  }
}

export class WsStepsClient extends StepsClient {
  #socket: WebSocket | undefined;

  stall(stalled: boolean): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (stalled) this.#socket.pause();
    else this.#socket.resume();
  }

  protected open(link: number): void {
    const url = new URL("/api/ws", this.url);
    url.protocol = "ws:";
    const socket = new WebSocket(url, "dts-push.v1");
    this.#socket = socket;
    const mine = () => this.link === link;
    socket.on("open", () => {
      if (!mine()) return;
      const message = {
        type: "subscribe",
        sub: "s",
        operation_id: this.operation.id,
        detail: "steps",
        ...(this.payloads && { include: "payloads" }),
        ...(this.lastId !== undefined && { after: this.lastId }),
      };
      socket.send(JSON.stringify(message));
    });
    socket.on("message", (data) => {
      if (mine()) this.#receive(JSON.parse(String(data)));
    });
    socket.on("error", (error) => {
      if (mine()) this.fault(`connection error: ${error.message}`);
    });
    socket.on("close", (code) => {
      if (mine()) this.fault(`closed without bye: ${code}`);
    });
  }

  protected cut(): void {
    this.#socket?.terminate();
  }

  #receive(message: Data): void {
    const { type, cursor, reason } = message;
    if (typeof cursor === "string") this.lastId = cursor;
    if (type === "bye") this.reconnect(reason);
    else if (type === "unsubscribed") {
      this.ended(reason === "not-found" ? "404" : reason);
      this.#socket?.close(1000);
    } else if (type !== "problem" || message.problem.status !== 404) this.take(type, message);
  }
}

function contentOf({ cursor: _cursor, last_updated: _updated, ...rest }: Data): string {
  return JSON.stringify(rest);
}
