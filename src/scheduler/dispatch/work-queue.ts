/**
 * Hands ready work items to worker streams, under leases.
 *
 *   QUEUE-1. An item is leased to at most one stream at a time.
 *   QUEUE-2. A lease that ends without a result (it expired, or its stream ended) returns its item. A
 *            draining worker ends its stream first and reports afterwards, which works until the item
 *            is leased again.
 *   QUEUE-3. At most one turn of an instance, and one batch of an entity, is leased at a time. Messages
 *            that arrive meanwhile make the next one.
 *   QUEUE-4. A token settles at most one lease, once. Leases exist in memory only, so a restart
 *            invalidates all tokens.
 *   QUEUE-5. A stream holds at most as many items of a kind as it asked for; the others wait.
 *   QUEUE-6. An item that no stream accepts does not block other items.
 *
 * The number of waiting items is bounded by the file: each is one pending row there.
 */

import { randomBytes } from "node:crypto";
import type { pb } from "../protocol/proto.ts";
import type { EntityMessage } from "../storage/entity-table.ts";
import type { LeasedTurn, LoadedWork, WorkItem, WorkKind } from "./work-item.ts";
import { WorkLane } from "./work-lane.ts";
import type { WorkerStream } from "./worker-stream.ts";

export interface Lease {
  readonly token: string;
  readonly item: WorkItem;
  readonly stream: WorkerStream;
  readonly turn: LeasedTurn | undefined;
  readonly batch: readonly EntityMessage[] | undefined;
  /** On the monotonic clock. */
  readonly expiresMs: number;
  /** The actions reported so far; a worker may report a large turn in parts. */
  readonly parts: pb.OrchestratorAction[];
  /** Its stream has ended and its item is back in the queue (QUEUE-2). */
  recalled: boolean;
}

export interface WorkQueueOptions {
  readonly turnLeaseMs: number;
  readonly activityLeaseMs: number;
  /** Reads an item from the file. `undefined`: there is nothing left to do for it. */
  readonly load: (item: WorkItem) => LoadedWork | undefined;
}

type TurnState = "ready" | "leased" | "leased-and-more";

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #lanes = new Map<string, WorkLane>();
  readonly #streams = new Set<WorkerStream>();
  readonly #leases = new Map<string, Lease>();
  /** Leases whose stream has ended, by item. */
  readonly #recalled = new Map<string, Lease>();
  readonly #turns = new Map<number, TurnState>();
  readonly #tokenPrefix = randomBytes(6).toString("hex");
  #leaseNumber = 0;
  #pumping = false;
  #expiry: NodeJS.Timeout | undefined;
  readonly #pings: NodeJS.Timeout;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#pings = setInterval(() => {
      for (const stream of this.#streams) stream.ping();
    }, PING_MS).unref();
  }

  add(item: WorkItem): void {
    if (item.kind !== "activity") {
      const state = this.#turns.get(item.instanceKey);
      if (state) {
        if (state === "leased") this.#turns.set(item.instanceKey, "leased-and-more"); // QUEUE-3
        return;
      }
      this.#turns.set(item.instanceKey, "ready");
    }
    this.#lane(item).push(item);
    this.#pumpSoon();
  }

  /** Like `add`, after a pause: for an item that could not be read. */
  addLater(item: WorkItem): void {
    setTimeout(() => this.add(item), REQUEUE_PAUSE_MS).unref();
  }

  addStream(stream: WorkerStream): void {
    this.#streams.add(stream);
    this.#pumpSoon();
  }

  /** Returns the stream's leases (QUEUE-2). */
  removeStream(stream: WorkerStream): void {
    if (!this.#streams.delete(stream)) return;
    for (const lease of this.#leases.values()) if (lease.stream === stream) this.#recall(lease);
  }

  /** Another worker that takes such items, preferably one without filters. */
  otherTaker(item: WorkItem, stream: WorkerStream): WorkerStream | undefined {
    const others = [...this.#streams].filter((other) => other !== stream && other.takes(item));
    return others.find((other) => !other.hasFilters) ?? others[0];
  }

  /** Call when a stream accepts items again. */
  wake(): void {
    this.#pumpSoon();
  }

  /** The lease of a token, until it ends. */
  lease(token: string, kind: WorkKind): Lease | undefined {
    const lease = this.#leases.get(token);
    return lease?.item.kind === kind ? lease : undefined;
  }

  /** Ends a lease with a result. `undefined`: the token is stale and the result must be discarded (QUEUE-4). */
  settle(token: string, kind: WorkKind): Lease | undefined {
    const lease = this.lease(token, kind);
    if (!lease) return undefined;
    this.#end(lease);
    if (lease.recalled && kind !== "activity") {
      // Its item is in a lane already, but must not start a turn before this result is stored.
      this.#turns.set(lease.item.instanceKey, "leased-and-more");
    }
    return lease;
  }

  /** Call when the result of a settled turn is durable. Queues the next turn if messages have arrived. */
  finish(item: WorkItem): void {
    const more = this.#turns.get(item.instanceKey) === "leased-and-more";
    this.#turns.delete(item.instanceKey);
    if (more) this.add(item);
  }

  /** Ends a lease without a result (QUEUE-2), or a settled one whose result could not be stored. */
  requeue(lease: Lease): void {
    this.#end(lease);
    if (lease.item.kind !== "activity") this.#turns.delete(lease.item.instanceKey);
    else if (lease.recalled) return; // its item is in a lane already
    this.add(lease.item);
  }

  /** Like `requeue`, after a pause, so that a worker that refuses the item does not get it again at once. */
  requeueLater(lease: Lease): void {
    this.#end(lease); // the turn stays marked as leased, so that no other begins (QUEUE-3)
    setTimeout(() => this.requeue(lease), REQUEUE_PAUSE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#expiry);
    clearInterval(this.#pings);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  #end(lease: Lease): void {
    if (!this.#leases.delete(lease.token)) return;
    if (lease.recalled) this.#recalled.delete(itemKey(lease.item));
    else lease.stream.inFlight[lease.item.kind] -= 1;
    this.#pumpSoon();
  }

  #recall(lease: Lease): void {
    lease.stream.inFlight[lease.item.kind] -= 1;
    lease.recalled = true;
    this.#recalled.set(itemKey(lease.item), lease);
    if (lease.item.kind !== "activity") this.#turns.delete(lease.item.instanceKey);
    this.add(lease.item);
  }

  #lane(item: WorkItem): WorkLane {
    const key = JSON.stringify([item.hub, item.kind, item.name, item.version, item.ownerVersion]);
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new WorkLane(item);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Takes one item from each lane in turn, so that no lane starves another (QUEUE-6). */
  #pump(): void {
    let progress = true;
    while (progress) {
      progress = false;
      for (const [key, lane] of this.#lanes) {
        if (lane.size === 0) this.#lanes.delete(key);
        else if (this.#dispatchFrom(lane)) progress = true;
      }
    }
  }

  #dispatchFrom(lane: WorkLane): boolean {
    const stream = leastBusy(this.#streams, lane.sample);
    const item = stream && lane.shift();
    if (!item) return false;
    // The item of a recalled turn that was settled after all.
    if (item.kind !== "activity" && this.#turns.get(item.instanceKey) !== "ready") return true;
    const work = this.#options.load(item);
    if (work) this.#leaseTo(stream, item, work);
    else if (item.kind !== "activity") this.#turns.delete(item.instanceKey);
    return true;
  }

  #leaseTo(stream: WorkerStream, item: WorkItem, work: LoadedWork): void {
    const { turnLeaseMs, activityLeaseMs } = this.#options;
    const former = this.#recalled.get(itemKey(item));
    if (former) this.#end(former); // from now on its token is stale (QUEUE-1)
    this.#leaseNumber += 1;
    const lease: Lease = {
      token: `${this.#tokenPrefix}.${this.#leaseNumber}`,
      item,
      stream,
      turn: work.turn,
      batch: work.batch,
      parts: [],
      recalled: false,
      expiresMs: performance.now() + (item.kind === "activity" ? activityLeaseMs : turnLeaseMs),
    };
    this.#leases.set(lease.token, lease);
    // Moved to the end: among equally busy streams the next item goes to another one, so a refused
    // item does not return to the worker that refused it.
    this.#streams.delete(stream);
    this.#streams.add(stream);
    if (item.kind !== "activity") this.#turns.set(item.instanceKey, "leased");
    stream.inFlight[item.kind] += 1;
    stream.send(work.bytes, lease.token);
    if (!this.#expiry) this.#armExpiry();
  }

  #expire(lease: Lease): void {
    if (lease.recalled) this.#end(lease);
    else this.requeue(lease);
  }

  /** One timer checks all leases; it runs only while there are any. */
  #armExpiry(): void {
    const { turnLeaseMs, activityLeaseMs } = this.#options;
    const delay = Math.min(turnLeaseMs, activityLeaseMs, MAX_EXPIRY_CHECK_MS);
    this.#expiry = setTimeout(() => {
      this.#expiry = undefined;
      const now = performance.now();
      for (const lease of this.#leases.values()) if (lease.expiresMs <= now) this.#expire(lease);
      if (this.#leases.size > 0) this.#armExpiry();
    }, delay).unref();
  }
}

/** Workers give up a stream that is silent for two minutes. */
const PING_MS = 30_000;
/** Pause before an item is queued again that was refused, or whose result could not be stored. */
const REQUEUE_PAUSE_MS = 1000;

/** Longest time between two checks of the leases. */
const MAX_EXPIRY_CHECK_MS = 10_000;

function itemKey({ kind, instanceKey, id }: WorkItem): string {
  return `${kind}.${instanceKey}.${id}`;
}

function leastBusy(streams: Set<WorkerStream>, item: WorkItem): WorkerStream | undefined {
  let best: WorkerStream | undefined;
  for (const stream of streams) {
    if (!stream.accepts(item)) continue;
    if (!best || stream.inFlight[item.kind] < best.inFlight[item.kind]) best = stream;
  }
  return best;
}
