/**
 * Work that is ready, the leases on it, and the worker streams it goes to.
 *
 *   Q1. An item is leased to at most one stream at a time.
 *   Q2. A lease that ends without a result, because it ran out or its stream ended, returns the item.
 *       A worker that drains ends its stream first and reports afterwards: until the item is given
 *       out again, it still can.
 *   Q3. Never two turns of one instance at once, nor two batches of one entity; what arrives
 *       meanwhile makes the next one.
 *   Q4. A token settles at most one lease, once. Leases live in memory only: a restart ends every
 *       stream, so it voids every token.
 *   Q5. A stream holds at most as many items of a kind as it asked for; the rest wait.
 *   Q6. An item that no stream accepts does not hold up the others.
 *
 * What waits is bounded by the file, not by this queue: an entry here is one pending row there.
 */

import { randomBytes } from "node:crypto";
import type { pb } from "../protocol/proto.ts";
import type { EntityMessage } from "../storage/entity-table.ts";
import type { LeasedTurn, LoadedWork, WorkItem, WorkKind } from "./work-item.ts";
import { Lane } from "./work-lane.ts";
import type { WorkerStream } from "./worker-stream.ts";

export interface Lease {
  readonly token: string;
  readonly item: WorkItem;
  readonly stream: WorkerStream;
  readonly turn: LeasedTurn | undefined;
  readonly batch: readonly EntityMessage[] | undefined;
  /** On the monotonic clock. */
  readonly expiresMs: number;
  /** What came of the turn so far; a worker may report a large one in parts. */
  readonly parts: pb.OrchestratorAction[];
  /** Its stream has ended and its item is back in the queue (Q2). */
  recalled: boolean;
}

export interface WorkQueueOptions {
  readonly turnLeaseMs: number;
  readonly activityLeaseMs: number;
  /** Reads an item from the file; `undefined` when there is nothing left to do for it. */
  readonly load: (item: WorkItem) => LoadedWork | undefined;
}

type TurnState = "ready" | "leased" | "leased-and-more";

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #streams = new Set<WorkerStream>();
  readonly #leases = new Map<string, Lease>();
  /** Leases whose stream has ended, by item. */
  readonly #recalled = new Map<string, Lease>();
  readonly #turns = new Map<number, TurnState>();
  readonly #boot = randomBytes(6).toString("hex");
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
        if (state === "leased") this.#turns.set(item.instanceKey, "leased-and-more"); // Q3
        return;
      }
      this.#turns.set(item.instanceKey, "ready");
    }
    this.#lane(item).push(item);
    this.#pumpSoon();
  }

  /** Like `add`, after a pause: for an item that could not be read. */
  addLater(item: WorkItem): void {
    setTimeout(() => this.add(item), GIVE_BACK_PAUSE_MS).unref();
  }

  addStream(stream: WorkerStream): void {
    this.#streams.add(stream);
    this.#pumpSoon();
  }

  /** Returns the stream's leases (Q2). */
  removeStream(stream: WorkerStream): void {
    if (!this.#streams.delete(stream)) return;
    for (const lease of this.#leases.values()) if (lease.stream === stream) this.#recall(lease);
  }

  /** Another worker than `stream` that takes such items; one without filters, if there is any. */
  otherTaker(item: WorkItem, stream: WorkerStream): WorkerStream | undefined {
    const others = [...this.#streams].filter((other) => other !== stream && other.takes(item));
    return others.find((other) => !other.hasFilters) ?? others[0];
  }

  /** A stream can take more again. */
  wake(): void {
    this.#pumpSoon();
  }

  /** The lease behind a token, while it lasts. */
  lease(token: string, kind: WorkKind): Lease | undefined {
    const lease = this.#leases.get(token);
    return lease?.item.kind === kind ? lease : undefined;
  }

  /** Ends a lease with a result. `undefined`: the token is stale and the result must be dropped (Q4). */
  settle(token: string, kind: WorkKind): Lease | undefined {
    const lease = this.lease(token, kind);
    if (!lease) return undefined;
    this.#end(lease);
    if (lease.recalled && kind !== "activity") {
      // Its item waits in a lane, from where no turn may begin now; what it stood for comes after.
      this.#turns.set(lease.item.instanceKey, "leased-and-more");
    }
    return lease;
  }

  /** After a settled turn is durable: lets the instance have its next one, if there is reason. */
  finishTurn(item: WorkItem): void {
    const more = this.#turns.get(item.instanceKey) === "leased-and-more";
    this.#turns.delete(item.instanceKey);
    if (more) this.add(item);
  }

  /** Ends a lease without a result (Q2); also for a settled one whose result could not be stored. */
  giveBack(lease: Lease): void {
    this.#end(lease);
    if (lease.item.kind !== "activity") this.#turns.delete(lease.item.instanceKey);
    else if (lease.recalled) return; // it is in its lane already
    this.add(lease.item);
  }

  /** Like `giveBack`, after a pause: for a worker that would only refuse it again at once. */
  giveBackLater(lease: Lease): void {
    this.#end(lease); // its turn stays leased meanwhile, so that no other begins (Q3)
    setTimeout(() => this.giveBack(lease), GIVE_BACK_PAUSE_MS).unref();
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

  #lane(item: WorkItem): Lane {
    const key = JSON.stringify([item.hub, item.kind, item.name, item.version, item.ownerVersion]);
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane(item);
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

  /** One item per lane and round, so that no lane starves another (Q6). */
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

  #dispatchFrom(lane: Lane): boolean {
    const stream = leastBusy(this.#streams, lane.sample);
    const item = stream && lane.shift();
    if (!item) return false;
    // A recalled turn was settled after all, and its item was left behind in the lane.
    if (item.kind !== "activity" && this.#turns.get(item.instanceKey) !== "ready") return true;
    const work = this.#options.load(item);
    if (work) this.#leaseTo(stream, item, work);
    else if (item.kind !== "activity") this.#turns.delete(item.instanceKey);
    return true;
  }

  #leaseTo(stream: WorkerStream, item: WorkItem, work: LoadedWork): void {
    const { turnLeaseMs, activityLeaseMs } = this.#options;
    const former = this.#recalled.get(itemKey(item));
    if (former) this.#end(former); // from now on its token is stale (Q1)
    this.#leaseNumber += 1;
    const lease: Lease = {
      token: `${this.#boot}.${this.#leaseNumber}`,
      item,
      stream,
      turn: work.turn,
      batch: work.batch,
      parts: [],
      recalled: false,
      expiresMs: performance.now() + (item.kind === "activity" ? activityLeaseMs : turnLeaseMs),
    };
    this.#leases.set(lease.token, lease);
    // To the end of the line: among equally busy streams the next item goes to another, so one that
    // was refused does not return to who refused it.
    this.#streams.delete(stream);
    this.#streams.add(stream);
    if (item.kind !== "activity") this.#turns.set(item.instanceKey, "leased");
    stream.inFlight[item.kind] += 1;
    stream.send(work.bytes, lease.token);
    if (!this.#expiry) this.#armExpiry();
  }

  #expire(lease: Lease): void {
    if (lease.recalled) this.#end(lease);
    else this.giveBack(lease);
  }

  /** One timer for all leases. It wakes once per shorter lease time, and not at all without leases. */
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

/** Workers take a stream that is silent for two minutes to be dead. */
const PING_MS = 30_000;
/** Pause before an item that was refused, or whose result could not be stored, is given out again. */
const GIVE_BACK_PAUSE_MS = 1000;

/** Leases are checked at least this often while there are any. */
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
