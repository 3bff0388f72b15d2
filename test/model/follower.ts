import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createParser } from "eventsource-parser";
import { WebSocket } from "ws";
import { type Document, isOver, type World } from "./world.ts";

/** Problems that follow a read that failed, whatever way it did. */
const FAILED_READS = ["scheduler-unavailable", "scheduler-throttled"];

/** What one subscription to one operation was told. */
export interface View {
  readonly id: string;
  /** What the client had of the operation when it subscribed, as far as it could say so. */
  readonly base: Document | undefined;
  readonly received: Received[];
  end: "terminal" | "gone" | "unchanged" | "left" | undefined;
}

export interface Received {
  readonly type: string;
  readonly changed: readonly string[] | undefined;
  readonly document: Document;
}

export const KINDS = ["one", "many", "socket", "poll"] as const;
export type Kind = (typeof KINDS)[number];

/**
 * A client that keeps to PROTOCOL.md: it follows its operations over one connection at a time, and
 * goes on from where it was. It keeps everything that it was ever told.
 */
export abstract class Follower {
  readonly name: string;
  readonly ids: readonly string[];
  readonly views: View[] = [];
  /** What is wrong whatever the operations did. */
  readonly faults: string[] = [];
  /** Operations that need no following any more. */
  readonly finished = new Set<string>();
  protected readonly world: World;
  protected readonly latest = new Map<string, Document>();
  protected readonly replicas: readonly URL[];
  protected replica = 0;
  /** Grows with each connection, so that what is left of a former one is told apart. */
  protected link = 0;
  /** Views of the present connection. */
  protected current = new Map<string, View>();
  connected = false;
  opened = false;

  constructor(name: string, ids: readonly string[], replicas: readonly URL[], world: World) {
    this.name = name;
    this.ids = ids;
    this.replicas = replicas;
    this.world = world;
  }

  /** Whether what it resumes from tells one state of one operation, and not only a time. */
  get resumesExactly(): boolean {
    return true;
  }

  get isFinished(): boolean {
    return this.ids.every((id) => this.finished.has(id));
  }

  /** The last that it was told of an operation. */
  latestOf(id: string): Document | undefined {
    return this.latest.get(id);
  }

  connect(replica: number): void {
    if (this.connected) this.disconnect();
    this.connected = true;
    this.opened = false;
    this.replica = replica % this.replicas.length;
    this.link += 1;
    this.current = new Map();
    this.note(`connects to ${this.replica}`);
    this.open(this.link);
  }

  disconnect(): void {
    if (!this.connected) return;
    this.note("leaves");
    for (const view of this.current.values()) view.end ??= "left";
    this.connected = false;
    this.link += 1;
    this.cut();
  }

  /** Stops reading for a while, where that is possible. */
  stall(_stalled: boolean): void {}

  /** Gives up a subscription and takes it up again on the same connection, where that is possible. */
  nudge(): void {}

  protected abstract open(link: number): void;
  protected abstract cut(): void;

  protected get url(): URL {
    return this.replicas[this.replica] as URL;
  }

  protected note(what: string): void {
    this.world.note(`    ${this.name} ${what}`);
  }

  protected fault(what: string): void {
    this.note(`FAULT ${what}`);
    this.faults.push(`${this.name}: ${what}`);
  }

  protected subscribed(id: string, base: Document | undefined): View {
    const view: View = { id, base, received: [], end: undefined };
    this.current.set(id, view);
    this.views.push(view);
    return view;
  }

  protected receive(id: string, type: string, document: Document, changed?: readonly string[]) {
    const view = this.current.get(id) ?? this.subscribed(id, undefined);
    if (view.end) this.fault(`is told of ${id} after its ${view.end} end`);
    view.received.push({ type, document, changed });
    this.latest.set(id, document);
    const { status, custom_status = "-", cursor } = document;
    this.note(`${type} ${id} ${status} ${JSON.stringify(custom_status).slice(0, 30)} ${cursor}`);
  }

  protected ended(id: string, end: "terminal" | "gone"): void {
    this.note(`${id} ends: ${end}`);
    const view = this.current.get(id) ?? this.subscribed(id, undefined);
    if (view.end) this.fault(`hears twice of the end of ${id}`);
    view.end = end;
    this.finished.add(id);
    const last = this.latest.get(id);
    if (end === "terminal" && !(last && isOver(last))) {
      this.fault(`C3: ${id} ends as terminal, and the client was never told how`);
    }
  }

  /** The connection was ended by the server, with a word that it may be taken up again. */
  protected over(reconnect: boolean): void {
    this.connected = false;
    this.link += 1;
    if (reconnect) this.connect(this.replica + 1);
  }
}

/** Server-sent events: of one operation, or of several. */
export class SseFollower extends Follower {
  readonly #several: boolean;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #lastId: string | undefined;
  /** What the client had been told when it received `#lastId`. */
  #atLastId = new Map<string, Document>();

  constructor(name: string, ids: readonly string[], replicas: readonly URL[], world: World) {
    super(name, ids, replicas, world);
    this.#several = name.startsWith("many");
  }

  override get resumesExactly(): boolean {
    return !this.#several;
  }

  override stall(stalled: boolean): void {
    if (stalled) this.#response?.pause();
    else this.#response?.resume();
  }

  protected open(link: number): void {
    const path = this.#several ? "/api/events" : `/api/operations/${this.ids[0]}/events`;
    const url = new URL(path, this.url);
    if (this.#several) for (const id of this.ids) url.searchParams.append("operation_id", id);
    for (const id of this.ids)
      this.subscribed(id, this.#lastId ? this.#atLastId.get(id) : undefined);
    const headers = this.#lastId === undefined ? {} : { "last-event-id": this.#lastId };
    const mine = () => this.link === link;
    this.#response = undefined;
    this.#request = request(url, { headers, agent: false }, (response) => {
      if (!mine()) return void response.destroy();
      this.#response = response;
      this.#answered(response, mine);
    });
    this.#request.on("error", (error) => {
      if (mine()) this.fault(`is cut off: ${error.message}`);
    });
    this.#request.end();
  }

  protected cut(): void {
    this.#request?.destroy();
  }

  #answered(response: IncomingMessage, mine: () => boolean): void {
    const status = response.statusCode ?? 0;
    this.opened = true;
    if (status === 200) this.#stream(response, mine);
    else {
      this.note(`is answered ${status}`);
      response.resume();
      for (const id of this.ids) {
        const view = this.current.get(id);
        if (status === 204) this.#unchanged(view);
        else if (status === 404 && !this.#several) this.ended(id, "gone");
        else this.fault(`is answered ${status}`);
      }
      this.over(false);
    }
  }

  #unchanged(view: View | undefined): void {
    if (!view) return;
    const last = this.latest.get(view.id);
    const isGone = this.world.present(view.id) === undefined;
    if (!isGone && !this.finished.has(view.id) && !(last && isOver(last))) {
      this.fault(`C3: 204 before it was told the end of ${view.id}`);
    }
    view.end = "unchanged";
    this.finished.add(view.id);
  }

  #stream(response: IncomingMessage, mine: () => boolean): void {
    const parser = createParser({
      onEvent: ({ id, event = "message", data }) => {
        if (!mine()) return;
        this.#take(event, JSON.parse(data), id);
      },
    });
    response.setEncoding("utf8");
    response.on("data", (text: string) => parser.feed(text));
    const atEnd = () => {
      if (mine()) this.fault("the stream ends without bye");
    };
    response.on("end", atEnd);
    response.on("close", atEnd);
    response.on("error", () => undefined);
  }

  #take(event: string, data: Document, id: string | undefined): void {
    if (event === "snapshot" || event === "update") {
      const operation: Document = data.operation;
      this.receive(operation.operation_id, event, operation, data.changed);
      if (this.#several && isOver(operation)) this.ended(operation.operation_id, "terminal");
    } else if (event === "problem") {
      const slug = String(data.problem.type).split(":").at(-1);
      this.note(`problem ${slug} ${data.operation_id ?? ""}`);
      if (slug === "operation-gone" || slug === "operation-not-found") {
        this.ended(data.operation_id, "gone");
      } else if (!FAILED_READS.includes(slug ?? "")) this.fault(`has an unknown problem: ${slug}`);
    }
    if (id !== undefined) {
      this.#lastId = id;
      this.#atLastId = new Map(this.latest);
    }
    if (event === "bye") this.#bye(data);
  }

  #bye({ reason, reconnect }: Document): void {
    this.note(`bye ${reason}`);
    const open = this.ids.filter((id) => !this.current.get(id)?.end);
    if (reason === "terminal" || reason === "gone" || reason === "not-found") {
      const end = reason === "terminal" ? "terminal" : "gone";
      if (!this.#several) for (const id of open) this.ended(id, end);
      else if (open.length > 0) this.#endSilently(open);
    } else for (const id of open) (this.current.get(id) as View).end = "left";
    this.over(reconnect);
  }

  /** Those whose ends a former connection had brought need no word on this one. */
  #endSilently(ids: readonly string[]): void {
    for (const id of ids) {
      (this.current.get(id) as View).end = "unchanged";
      if (!this.finished.has(id)) this.fault(`C3: ${id} ends without a word`);
    }
  }
}

/** A WebSocket, each operation under its own name. */
export class SocketFollower extends Follower {
  #socket: WebSocket | undefined;

  override stall(stalled: boolean): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (stalled) this.#socket.pause();
    else this.#socket.resume();
  }

  override nudge(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const id = this.ids.find((each) => this.current.has(each) && !this.current.get(each)?.end);
    // Only where everything on its way has arrived: else "unsubscribed" crosses with an event.
    if (id === undefined || !this.latest.has(id)) return;
    this.#send({ type: "unsubscribe", sub: id });
  }

  protected open(link: number): void {
    const url = new URL("/api/ws", this.url);
    url.protocol = "ws:";
    const socket = new WebSocket(url, "dts-push.v1");
    this.#socket = socket;
    const mine = () => this.link === link;
    const unfinished = this.ids.filter((id) => !this.finished.has(id));
    const wanted = unfinished.length > 0 ? unfinished : this.ids;
    socket.on("open", () => {
      if (mine()) for (const id of wanted) this.#subscribe(id);
    });
    socket.on("message", (data) => {
      if (mine()) this.#take(JSON.parse(String(data)));
    });
    socket.on("error", (error) => {
      if (mine()) this.fault(`has a connection error: ${error.message}`);
    });
    socket.on("close", (code) => {
      if (mine()) this.fault(`is closed without bye: ${code}`);
    });
  }

  protected cut(): void {
    this.#socket?.terminate();
  }

  #send(message: Document): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #subscribe(id: string): void {
    const base = this.latest.get(id);
    this.subscribed(id, base);
    const after = base && { after: base.cursor };
    this.#send({ type: "subscribe", sub: id, operation_id: id, ...after });
  }

  #take({ type, sub, ...message }: Document): void {
    if (type === "subscribed") this.opened = true;
    else if (type === "snapshot" || type === "update") {
      this.receive(sub, type, message.operation, message.changed);
    } else if (type === "unsubscribed") this.#unsubscribed(sub, message.reason);
    else if (type === "problem") this.note(`problem ${message.problem.type} ${sub}`);
    else if (type === "bye") {
      this.note(`bye ${message.reason}`);
      for (const view of this.current.values()) view.end ??= "left";
      this.over(message.reconnect);
    }
  }

  #unsubscribed(id: string, reason: string): void {
    if (reason === "requested") {
      (this.current.get(id) as View).end = "left";
      this.#subscribe(id);
      return;
    }
    this.ended(id, reason === "terminal" ? "terminal" : "gone");
    if ([...this.current.values()].some((view) => !view.end)) return;
    this.connected = false;
    this.link += 1;
    this.#socket?.close(1000);
  }
}

/** The loop of waiting requests that PROTOCOL.md shows. */
export class PollFollower extends Follower {
  #abort = new AbortController();
  #known: Document | undefined;

  protected open(link: number): void {
    this.#abort = new AbortController();
    this.opened = true;
    void this.#loop(link, this.#abort.signal);
  }

  protected cut(): void {
    this.#abort.abort();
  }

  async #loop(link: number, signal: AbortSignal): Promise<void> {
    const [id = ""] = this.ids;
    while (this.link === link) {
      const base = this.#known;
      const headers = { prefer: "wait=25", ...(base && { "if-none-match": etag(base) }) };
      try {
        const url = new URL(`/api/operations/${id}`, this.url);
        const response = await fetch(url, { headers, signal });
        const text = await response.text();
        if (this.link !== link) return;
        if (!this.#answered(response.status, text, base)) return;
        if (response.status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
      } catch (error) {
        if (this.link === link) this.fault(`its request fails: ${(error as Error).message}`);
        return;
      }
    }
  }

  /** @returns whether to go on */
  #answered(status: number, text: string, base: Document | undefined): boolean {
    const [id = ""] = this.ids;
    if (status === 503) return true;
    const view = this.subscribed(id, base);
    if (status === 200) {
      this.#known = JSON.parse(text) as Document;
      this.receive(id, "answer", this.#known);
    } else if (status === 304) view.end = "unchanged";
    else if (status === 404) this.ended(id, "gone");
    else this.fault(`is answered ${status}`);
    const over = this.#known !== undefined && isOver(this.#known);
    if (status === 404 || over) {
      view.end = status === 404 ? "gone" : "terminal";
      this.finished.add(id);
      this.over(false);
      return false;
    }
    view.end ??= "left";
    return true;
  }
}

function etag({ cursor }: Document): string {
  return `W/"${cursor}"`;
}

export function createFollower(
  kind: Kind,
  number: number,
  ids: readonly string[],
  replicas: readonly URL[],
  world: World,
): Follower {
  const name = `${kind}${number}`;
  const one = ids.slice(0, 1);
  if (kind === "one") return new SseFollower(name, one, replicas, world);
  if (kind === "many") return new SseFollower(name, ids, replicas, world);
  if (kind === "socket") return new SocketFollower(name, ids, replicas, world);
  return new PollFollower(name, one, replicas, world);
}
