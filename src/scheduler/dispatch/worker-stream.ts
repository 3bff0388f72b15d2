/** One worker's GetWorkItems call: its filters, its limits, the items it holds, and back-pressure. */

import { withCompletionToken } from "../protocol/framing.ts";
import { pb } from "../protocol/proto.ts";
import type { TaskHub } from "../storage/task-hubs.ts";
import type { WorkItem, WorkKind } from "./work-item.ts";

/** The used part of a gRPC server stream. */
export interface WorkItemSink {
  write(workItem: Buffer): boolean;
  end(): void;
}

/** Limit of items of one kind when the worker sets none. */
const DEFAULT_IN_FLIGHT = 100;

const PING = ping();

export class WorkerStream {
  /** Its id changes when something is first stored in it. */
  readonly #hub: TaskHub;
  readonly label: string;
  readonly inFlight: Record<WorkKind, number> = { turn: 0, activity: 0, entity: 0 };
  readonly #sink: WorkItemSink;
  readonly #limits: Record<WorkKind, number>;
  readonly #filters: Record<WorkKind, NameFilter> | undefined;
  /** The socket's buffer is full; nothing is sent until it drains. */
  #isBlocked = false;

  /** @param label names the worker in the log */
  constructor(hub: TaskHub, request: pb.GetWorkItemsRequest, sink: WorkItemSink, label: string) {
    this.#hub = hub;
    this.label = label;
    this.#sink = sink;
    this.#limits = {
      turn: limit(request.getMaxconcurrentorchestrationworkitems()),
      activity: limit(request.getMaxconcurrentactivityworkitems()),
      entity: limit(request.getMaxconcurrententityworkitems()),
    };
    const filters = request.getWorkitemfilters();
    this.#filters = filters && {
      turn: new NameFilter(filters.getOrchestrationsList()),
      activity: new NameFilter(filters.getActivitiesList()),
      entity: new NameFilter(filters.getEntitiesList()),
    };
  }

  get taskHub(): string {
    return this.#hub.name;
  }

  get hasFilters(): boolean {
    return this.#filters !== undefined;
  }

  /** Whether this worker takes such items, now or later. */
  takes(item: WorkItem): boolean {
    return item.hub === this.#hub.id && (this.#filters?.[item.kind].matches(item) ?? true);
  }

  /** Whether the item may be sent now. */
  accepts(item: WorkItem): boolean {
    if (this.#isBlocked || this.inFlight[item.kind] >= this.#limits[item.kind]) return false;
    return this.takes(item);
  }

  send(workItem: Uint8Array, token: string): void {
    if (!this.#sink.write(withCompletionToken(workItem, token))) this.#isBlocked = true;
  }

  ping(): void {
    if (!this.#isBlocked) this.#isBlocked = !this.#sink.write(PING);
  }

  drained(): void {
    this.#isBlocked = false;
  }

  end(): void {
    this.#sink.end();
  }
}

function limit(asked: number): number {
  return asked > 0 ? asked : DEFAULT_IN_FLIGHT;
}

function ping(): Buffer {
  const item = new pb.WorkItem();
  item.setHealthping(new pb.HealthPing());
  return Buffer.from(item.serializeBinary());
}

/**
 * A name without versions accepts all versions; the version `""` accepts items without one. An
 * activity without a version is also accepted by the version of its orchestration.
 */
class NameFilter {
  readonly #versions = new Map<string, readonly string[]>();

  constructor(filters: readonly { getName(): string; getVersionsList?(): string[] }[]) {
    for (const filter of filters) {
      this.#versions.set(filter.getName(), filter.getVersionsList?.() ?? []);
    }
  }

  matches({ name, version, ownerVersion }: WorkItem): boolean {
    const versions = this.#versions.get(name);
    if (!versions) return false;
    if (versions.length === 0 || versions.includes(version ?? "")) return true;
    return !version && ownerVersion !== undefined && versions.includes(ownerVersion);
  }
}
