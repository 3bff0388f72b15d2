import { isTerminal } from "../../src/streaming/operation/operation-status.ts";
import { Follower, type View } from "./follower.ts";
import { type Data, type Link, openSocket, openSse, type SocketLink } from "./link.ts";
import type { World } from "./world.ts";

export const KINDS = ["one", "many", "socket", "poll"] as const;
export type Kind = (typeof KINDS)[number];

/** Problems that report a failed read. */
const FAILED_READS = ["scheduler-unavailable", "scheduler-throttled"];

/** Reasons of a `bye` after which nothing more is to be had. */
const FINAL = ["terminal", "gone", "not-found"];

/** Server-sent events: of one operation, or of several. */
class SseFollower extends Follower {
  readonly #several: boolean;
  #lastId: string | undefined;
  /** What the client had received when it received `#lastId`. */
  #atLastId = new Map<string, Data>();

  constructor(name: string, ids: readonly string[], replicas: readonly URL[], world: World) {
    super(name, ids, replicas, world);
    this.#several = name.startsWith("many");
  }

  override get resumesExactly(): boolean {
    return !this.#several;
  }

  protected open(replica: URL): Link {
    const path = this.#several ? "/api/events" : `/api/operations/${this.ids[0]}/events`;
    const url = new URL(path, replica);
    if (this.#several) for (const id of this.ids) url.searchParams.append("operation_id", id);
    for (const id of this.ids) {
      this.subscribed(id, this.#lastId ? this.#atLastId.get(id) : undefined);
    }
    return openSse(url, this.#lastId, {
      onStatus: (status) => this.#answered(status),
      onMessage: (type, data, id) => this.#take(type, data, id),
      onFault: (what) => this.fault(what),
    });
  }

  #answered(status: number): void {
    this.isAnswered = true;
    if (status === 200) return;
    this.note(`is answered ${status}`);
    for (const id of this.ids) {
      if (status === 204) this.#unchanged(this.current.get(id));
      else if (status === 404 && !this.#several) this.ended(id, "gone");
      else this.fault(`is answered ${status}`);
    }
    this.closeLink();
  }

  #unchanged(view: View | undefined): void {
    if (!view) return;
    const last = this.latest.get(view.id);
    // The answer may be older than the id's next use.
    const wasGone =
      this.world.present(view.id) === undefined ||
      this.world.presenceChanges(view.id) !== view.presenceChanges;
    if (!wasGone && !this.finished.has(view.id) && !(last && isTerminal(last.status))) {
      this.fault(`C3: 204 before the end of ${view.id}`);
    }
    view.end = "unchanged";
    this.finished.add(view.id);
  }

  #take(type: string, data: Data, id: string | undefined): void {
    if (type === "snapshot" || type === "update") {
      const operation: Data = data.operation;
      this.receive(operation.operation_id, type, operation, data.changed);
      if (this.#several && isTerminal(operation.status))
        this.ended(operation.operation_id, "terminal");
    } else if (type === "problem") {
      const slug = String(data.problem.type).split(":").at(-1) ?? "";
      this.note(`problem ${slug} ${data.operation_id ?? ""}`);
      if (slug === "operation-gone" || slug === "operation-not-found") {
        this.ended(data.operation_id, "gone");
      } else if (!FAILED_READS.includes(slug))
        this.fault(`receives an unexpected problem: ${slug}`);
    }
    if (id !== undefined) {
      this.#lastId = id;
      this.#atLastId = new Map(this.latest);
    }
    if (type === "bye") this.#bye(data);
  }

  #bye({ reason, reconnect }: Data): void {
    if (FINAL.includes(reason) === reconnect) this.fault(`receives bye ${reason}, ${reconnect}`);
    if (reconnect) {
      this.leaveViews();
      this.reconnect(reason);
      return;
    }
    this.note(`bye ${reason}`);
    const open = this.ids.filter((id) => !this.current.get(id)?.end);
    if (this.#several) this.#endUnchanged(open);
    else for (const id of open) this.ended(id, reason === "terminal" ? "terminal" : "gone");
    this.closeLink();
  }

  /** Operations whose ends came on a former connection are not repeated. */
  #endUnchanged(ids: readonly string[]): void {
    for (const id of ids) {
      (this.current.get(id) as View).end = "unchanged";
      if (!this.finished.has(id)) this.fault(`C3: the stream ends without the end of ${id}`);
    }
  }
}

/** A WebSocket, with a subscription for each operation. */
class SocketFollower extends Follower<SocketLink> {
  override resubscribe(): void {
    if (!this.link?.isOpen) return;
    const id = this.ids.find((each) => this.current.has(each) && !this.current.get(each)?.end);
    // Only where its first state has arrived: else "unsubscribed" crosses with that.
    if (id === undefined || !this.latest.has(id)) return;
    this.link.send({ type: "unsubscribe", sub: id });
  }

  protected open(replica: URL): SocketLink {
    const unfinished = this.ids.filter((id) => !this.finished.has(id));
    const wanted = unfinished.length > 0 ? unfinished : this.ids;
    return openSocket(replica, {
      onOpen: () => {
        for (const id of wanted) this.#subscribe(id);
      },
      onMessage: (type, data) => this.#take(type, data),
      onFault: (what) => this.fault(what),
    });
  }

  #subscribe(id: string): void {
    const base = this.latest.get(id);
    this.subscribed(id, base);
    const after = base && { after: base.cursor };
    this.link?.send({ type: "subscribe", sub: id, operation_id: id, ...after });
  }

  #take(type: string, { sub, ...message }: Data): void {
    if (type === "subscribed") this.isAnswered = true;
    else if (type === "snapshot" || type === "update") {
      this.receive(sub, type, message.operation, message.changed);
    } else if (type === "unsubscribed") this.#unsubscribed(sub, message.reason);
    else if (type === "problem") this.note(`problem ${message.problem.type} ${sub}`);
    else if (type === "bye") {
      this.leaveViews();
      this.reconnect(message.reason);
    }
  }

  #unsubscribed(id: string, reason: string): void {
    if (reason === "requested") {
      (this.current.get(id) as View).end = "left";
      this.#subscribe(id);
      return;
    }
    this.ended(id, reason === "terminal" ? "terminal" : "gone");
    if ([...this.current.values()].every(({ end }) => end)) this.closeLink();
  }
}

/** The loop of long-poll requests that PROTOCOL.md shows. */
class PollFollower extends Follower {
  #known: Data | undefined;

  protected open(replica: URL): Link {
    const closed = new AbortController();
    this.isAnswered = true;
    void this.#loop(replica, closed.signal);
    return { close: () => closed.abort(), stall: () => undefined };
  }

  async #loop(replica: URL, signal: AbortSignal): Promise<void> {
    const [id = ""] = this.ids;
    while (!signal.aborted) {
      const base = this.#known;
      const headers = { prefer: "wait=25", ...(base && { "if-none-match": etag(base) }) };
      try {
        const url = new URL(`/api/operations/${id}`, replica);
        const response = await fetch(url, { headers, signal });
        const text = await response.text();
        if (signal.aborted) return;
        this.#answered(response.status, text, base);
        if (response.status === 503) await new Promise((resolve) => setTimeout(resolve, 20));
      } catch (error) {
        if (!signal.aborted) this.fault(`its request fails: ${(error as Error).message}`);
        return;
      }
    }
  }

  #answered(status: number, text: string, base: Data | undefined): void {
    const [id = ""] = this.ids;
    // 408 answers no request: a connection that was opened for one that was given up has been idle for too long.
    if (status === 503 || status === 408) return;
    const view = this.subscribed(id, base);
    if (status === 200) {
      this.#known = JSON.parse(text) as Data;
      this.receive(id, "answer", this.#known);
    } else if (status === 304) view.end = "unchanged";
    else if (status === 404) this.ended(id, "gone");
    else this.fault(`is answered ${status}`);
    const hasEnded = this.#known !== undefined && isTerminal(this.#known.status);
    if (status === 404 || hasEnded) {
      view.end = status === 404 ? "gone" : "terminal";
      this.finished.add(id);
      this.closeLink();
    }
    view.end ??= "left";
  }
}

function etag({ cursor }: Data): string {
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
