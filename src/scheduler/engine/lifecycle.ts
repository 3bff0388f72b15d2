/**
 * The life cycle of an instance: created, receives messages, ends, is purged. Everything here runs
 * in a transaction of GroupCommit; effects on memory wait until it is durable.
 *
 *   INSTANCE-1. A message to a terminal instance is discarded.
 *   INSTANCE-2. A result reaches only the generation that asked for it.
 *   INSTANCE-3. `updated_ms` increases with every visible change, so that clients can order states.
 *   INSTANCE-4. An instance that replaces another of the same id has a later `created_ms`.
 */

import { randomUUID } from "node:crypto";
import { now } from "../clock.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { historyChunk } from "../protocol/framing.ts";
import type { ParentLink } from "../protocol/history-events.ts";
import {
  childCompleted,
  childFailed,
  executionCompleted,
  executionStarted,
  executionTerminated,
  failureDetails,
  type Message,
} from "../protocol/history-events.ts";
import { pb } from "../protocol/proto.ts";
import { COMPLETED, isTerminal, PENDING, TERMINATED } from "../protocol/status.ts";
import { serializeTags, type Tags } from "../protocol/tags.ts";
import type { After } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Timers } from "./timers.ts";
import type { Waiters } from "./waiters.ts";

export interface NewInstance {
  readonly hub: number;
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  /** Scheduled start. Absent or past: starts at once. */
  readonly startMs?: number | undefined;
  readonly tags: Tags;
  readonly traceContext?: pb.TraceContext | undefined;
  readonly parent?: (ParentLink & { readonly name: string }) | undefined;
}

export interface Outcome {
  readonly status: number;
  readonly output: string | undefined;
  readonly failure: pb.TaskFailureDetails | undefined;
}

/** Releases the locks on entities that an orchestration holds. */
export type ReleaseLocks = (after: After, instanceKey: number) => void;

export interface LifecycleParts {
  readonly store: Store;
  readonly queue: WorkQueue;
  readonly timers: Timers;
  readonly waiters: Waiters;
  readonly releaseLocks: ReleaseLocks;
}

export class Lifecycle {
  readonly #store: Store;
  readonly #queue: WorkQueue;
  readonly #timers: Timers;
  readonly #waiters: Waiters;
  readonly #releaseLocks: ReleaseLocks;

  constructor({ store, queue, timers, waiters, releaseLocks }: LifecycleParts) {
    this.#store = store;
    this.#queue = queue;
    this.#timers = timers;
    this.#waiters = waiters;
    this.#releaseLocks = releaseLocks;
  }

  /** @param notBeforeMs the date of creation will be later than this (INSTANCE-4) */
  create(after: After, request: NewInstance, notBeforeMs = 0): InstanceRow {
    const nowMs = now();
    const awaitsStart = request.startMs !== undefined && request.startMs > nowMs;
    const createdMs = Math.max(nowMs, notBeforeMs + 1);
    const instance: InstanceRow = {
      key: this.#store.nextId(),
      hub: request.hub,
      instanceId: request.instanceId,
      executionId: newExecutionId(),
      generation: 0,
      turn: 0,
      name: request.name,
      version: request.version,
      status: PENDING,
      awaitsStart,
      createdMs,
      updatedMs: createdMs,
      completedMs: undefined,
      startMs: awaitsStart ? request.startMs : undefined,
      parent: request.parent,
      tags: serializeTags(request.tags),
      traceContext: undefined,
      customStatus: undefined,
    };
    this.#store.instances.insert(instance, request.input);
    const start = { ...request, executionId: instance.executionId };
    this.#store.addMessage(
      instance.key,
      executionStarted(nowMs, { ...start, scheduledStartMs: instance.startMs }),
    );
    if (instance.startMs !== undefined) this.addTimer(after, instance, instance.startMs, undefined);
    else this.ready(after, instance);
    return instance;
  }

  /** Adds a message to the inbox. @returns false when the instance is terminal (INSTANCE-1) */
  deliver(after: After, instance: InstanceRow, message: Message): boolean {
    if (isTerminal(instance.status)) return false;
    this.#store.addMessage(instance.key, message);
    if (!instance.awaitsStart) this.ready(after, instance);
    return true;
  }

  /** Queues a turn of the instance. */
  ready(after: After, { hub, key, name, version }: InstanceRow): void {
    after(() => this.#queue.add({ kind: "turn", hub, instanceKey: key, id: 0, name, version }));
  }

  addTimer(after: After, instance: InstanceRow, dueMs: number, timerId: number | undefined): void {
    this.#store.addTimer({
      instanceKey: instance.key,
      id: this.#store.nextId(),
      dueMs,
      generation: instance.generation,
      timerId,
    });
    after(() => this.#timers.added(dueMs));
  }

  /** Stores a change of an instance and notifies waiting calls. */
  save(after: After, instance: InstanceRow): InstanceRow {
    const updatedMs = Math.max(now(), instance.updatedMs + 1); // INSTANCE-3
    const completedMs = isTerminal(instance.status) ? updatedMs : undefined;
    const saved = { ...instance, updatedMs, completedMs };
    this.#store.instances.update(saved);
    after(() => this.#waiters.notify(instance.key));
    return saved;
  }

  /** Ends an instance: drops what is pending and reports to its parent. */
  finish(after: After, instance: InstanceRow, outcome: Outcome): void {
    this.dropPending(after, instance);
    this.#store.instances.setOutcome(
      instance.key,
      outcome.output,
      outcome.failure?.serializeBinary(),
    );
    this.save(after, { ...instance, status: outcome.status, awaitsStart: false });
    if (instance.parent) this.#report(after, instance, instance.parent, outcome);
  }

  /** Drops messages, timers and locks of an execution that ends. */
  dropPending(after: After, instance: InstanceRow): void {
    this.#store.removeMessages(instance.key, this.#store.lastId);
    this.#store.removeTimers(instance.key);
    this.#releaseLocks(after, instance.key);
  }

  /** Terminates all active children, recursively. */
  terminateChildren(after: After, instance: InstanceRow, output: string | undefined): void {
    for (const child of this.#store.instances.childrenOf(instance.key)) {
      this.terminate(after, child, output, true);
    }
  }

  terminate(
    after: After,
    instance: InstanceRow,
    output: string | undefined,
    recurse: boolean,
  ): void {
    if (isTerminal(instance.status)) return;
    if (!instance.awaitsStart) {
      this.deliver(after, instance, executionTerminated(now(), output, recurse));
      return;
    }
    // Its scheduled start is not due yet, so no orchestrator may run.
    this.endByForce(after, instance, output);
  }

  /** Terminates an instance without running its orchestrator. The result of a turn in progress is discarded. */
  endByForce(after: After, instance: InstanceRow, output: string | undefined): void {
    const nowMs = now();
    const outcome = { status: TERMINATED, output, failure: undefined };
    const events = [
      executionTerminated(nowMs, output, false).event,
      executionCompleted(nowMs, -1, outcome),
    ];
    const turn = instance.turn + 1;
    this.#store.addHistory(instance.key, turn, historyChunk(events));
    this.finish(after, { ...instance, turn }, outcome);
  }

  purge(after: After, instance: InstanceRow): void {
    this.#releaseLocks(after, instance.key);
    this.#store.purge(instance.key);
    after(() => this.#waiters.notify(instance.key));
  }

  /** Sends the outcome of a terminal child to its parent again. */
  reportAgain(after: After, child: InstanceRow): void {
    const { output, failure } = this.#store.instances.payloads(child.key);
    const details = failure && pb.TaskFailureDetails.deserializeBinary(failure);
    if (child.parent) {
      this.#report(after, child, child.parent, { status: child.status, output, failure: details });
    }
  }

  #report(after: After, child: InstanceRow, link: ParentLink, outcome: Outcome): void {
    const parent = this.#store.instances.byKey(link.key);
    if (parent?.generation !== link.generation) return; // INSTANCE-2
    const nowMs = now();
    const message =
      outcome.status === COMPLETED
        ? childCompleted(nowMs, link.taskId, outcome.output)
        : childFailed(nowMs, link.taskId, outcome.failure ?? terminatedFailure(child));
    this.deliver(after, parent, message);
  }
}

function terminatedFailure(child: InstanceRow): pb.TaskFailureDetails {
  return failureDetails(
    "OrchestrationTerminated",
    `Sub-orchestration '${child.instanceId}' was terminated.`,
  );
}

/** 32 hex digits, as the SDKs expect. */
export function newExecutionId(): string {
  return randomUUID().replaceAll("-", "");
}
