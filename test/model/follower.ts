import { isTerminal } from "../../src/streaming/operation/operation-status.ts";
import { Client } from "./client.ts";
import type { Data, Link } from "./link.ts";
import type { World } from "./world.ts";

/** What one subscription to one operation received. */
export interface View {
  readonly id: string;
  /** The document that the client resumed from, where its cursor names one. */
  readonly base: Data | undefined;
  readonly received: Received[];
  /** `presenceChanges` of the operation when it was subscribed to. */
  readonly presenceChanges: number;
  end: "terminal" | "gone" | "unchanged" | "left" | undefined;
}

export interface Received {
  readonly type: string;
  readonly changed: readonly string[] | undefined;
  readonly document: Data;
}

/** A client that follows the status of some operations. It keeps all that it has received. */
export abstract class Follower<Connection extends Link = Link> extends Client<Connection> {
  readonly ids: readonly string[];
  readonly views: View[] = [];
  /** Operations that it need not follow any more. */
  readonly finished = new Set<string>();
  /** Whether the present connection has been answered. */
  isAnswered = false;
  protected readonly world: World;
  protected readonly latest = new Map<string, Data>();
  /** Views of the present connection. */
  protected current = new Map<string, View>();

  constructor(name: string, ids: readonly string[], replicas: readonly URL[], world: World) {
    super(name, replicas, (what) => world.note(what));
    this.ids = ids;
    this.world = world;
  }

  /** Whether its cursors name one state of one operation, and not only a time. */
  get resumesExactly(): boolean {
    return true;
  }

  get isFinished(): boolean {
    return this.ids.every((id) => this.finished.has(id));
  }

  /** The last document of an operation that it has received. */
  latestOf(id: string): Data | undefined {
    return this.latest.get(id);
  }

  override connect(replica: number): void {
    this.disconnect();
    this.isAnswered = false;
    this.current = new Map();
    super.connect(replica);
  }

  override disconnect(): void {
    if (this.isConnected) this.leaveViews();
    super.disconnect();
  }

  /** Unsubscribes and subscribes again on the same connection, where that is possible. */
  resubscribe(): void {}

  protected leaveViews(): void {
    for (const view of this.current.values()) view.end ??= "left";
  }

  protected subscribed(id: string, base: Data | undefined): View {
    const presenceChanges = this.world.presenceChanges(id);
    const view: View = { id, base, received: [], presenceChanges, end: undefined };
    this.current.set(id, view);
    this.views.push(view);
    return view;
  }

  protected receive(id: string, type: string, document: Data, changed?: readonly string[]): void {
    const view = this.current.get(id) ?? this.subscribed(id, undefined);
    if (view.end) this.fault(`receives ${type} of ${id} after its end (${view.end})`);
    view.received.push({ type, document, changed });
    this.latest.set(id, document);
    const { status, custom_status = "-", cursor } = document;
    this.note(`${type} ${id} ${status} ${JSON.stringify(custom_status).slice(0, 30)} ${cursor}`);
  }

  protected ended(id: string, end: "terminal" | "gone"): void {
    this.note(`${id} ends: ${end}`);
    const view = this.current.get(id) ?? this.subscribed(id, undefined);
    if (view.end) this.fault(`receives a second end of ${id}`);
    view.end = end;
    this.finished.add(id);
    const last = this.latest.get(id);
    if (end === "terminal" && !(last && isTerminal(last.status))) {
      this.fault(`C3: ${id} ends as terminal without a terminal state`);
    }
  }
}
