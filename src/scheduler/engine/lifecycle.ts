/**
 * What happens to an instance, whoever asked: it is created, gets a message, ends, is forgotten.
 * Everything here runs inside a group's transaction; effects on memory wait until it is durable.
 *
 *   L1. A message to an instance that has ended is dropped.
 *   L2. A result reaches only the generation that asked for it.
 *   L3. `updated_ms` goes up with every visible change, so readers can put states in order.
 *   L4. An id that is used again gets a later `created_ms` than it ever had.
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
import type { Instance } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Timers } from "./timers.ts";
import type { Waiters } from "./waiters.ts";

export interface NewInstance {
  readonly hub: number;
  readonly instanceId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  /** Starts at once when absent or past. */
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

/** Gives back the locks on entities that an orchestration holds. */
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

  /** @param notBeforeMs the creation must be later than this (L4) */
  create(after: After, request: NewInstance, notBeforeMs = 0): Instance {
    const nowMs = now();
    const held = request.startMs !== undefined && request.startMs > nowMs;
    const createdMs = Math.max(nowMs, notBeforeMs + 1);
    const instance: Instance = {
      key: this.#store.nextId(),
      hub: request.hub,
      instanceId: request.instanceId,
      executionId: newExecutionId(),
      generation: 0,
      turn: 0,
      name: request.name,
      version: request.version,
      status: PENDING,
      held,
      createdMs,
      updatedMs: createdMs,
      completedMs: undefined,
      startMs: held ? request.startMs : undefined,
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

  /** Puts a message into the inbox; `false` when the instance has ended (L1). */
  deliver(after: After, instance: Instance, message: Message): boolean {
    if (isTerminal(instance.status)) return false;
    this.#store.addMessage(instance.key, message);
    if (!instance.held) this.ready(after, instance);
    return true;
  }

  /** Lets the instance have a turn. */
  ready(after: After, { hub, key, name, version }: Instance): void {
    after(() => this.#queue.add({ kind: "turn", hub, instanceKey: key, id: 0, name, version }));
  }

  addTimer(after: After, instance: Instance, dueMs: number, timerId: number | undefined): void {
    this.#store.addTimer({
      instanceKey: instance.key,
      id: this.#store.nextId(),
      dueMs,
      generation: instance.generation,
      timerId,
    });
    after(() => this.#timers.added(dueMs));
  }

  /** Stores what became of an instance, and tells those who wait for it. */
  save(after: After, instance: Instance): Instance {
    const updatedMs = Math.max(now(), instance.updatedMs + 1); // L3
    const completedMs = isTerminal(instance.status) ? updatedMs : undefined;
    const saved = { ...instance, updatedMs, completedMs };
    this.#store.instances.update(saved);
    after(() => this.#waiters.notify(instance.key));
    return saved;
  }

  /** Ends an instance: nothing is pending any more, and its parent hears of it. */
  finish(after: After, instance: Instance, outcome: Outcome): void {
    this.dropPending(after, instance);
    this.#store.instances.setOutcome(
      instance.key,
      outcome.output,
      outcome.failure?.serializeBinary(),
    );
    this.save(after, { ...instance, status: outcome.status, held: false });
    if (instance.parent) this.#report(after, instance, instance.parent, outcome);
  }

  /** Drops what only the execution that now ends could have used. */
  dropPending(after: After, instance: Instance): void {
    this.#store.removeMessages(instance.key, this.#store.lastId);
    this.#store.removeTimers(instance.key);
    this.#releaseLocks(after, instance.key);
  }

  /** Asks every child that still lives to terminate, and so on down. */
  terminateChildren(after: After, instance: Instance, output: string | undefined): void {
    for (const child of this.#store.instances.childrenOf(instance.key)) {
      this.terminate(after, child, output, true);
    }
  }

  terminate(after: After, instance: Instance, output: string | undefined, recurse: boolean): void {
    if (isTerminal(instance.status)) return;
    if (!instance.held) {
      this.deliver(after, instance, executionTerminated(now(), output, recurse));
      return;
    }
    // It has not begun, so there is no orchestrator to ask, and none of it must run.
    this.endByForce(after, instance, output);
  }

  /** Terminates an instance without asking its orchestrator; a turn in progress is in vain. */
  endByForce(after: After, instance: Instance, output: string | undefined): void {
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

  purge(after: After, instance: Instance): void {
    this.#releaseLocks(after, instance.key);
    this.#store.purge(instance.key);
    after(() => this.#waiters.notify(instance.key));
  }

  /** Tells the parent once more how a child ended. */
  reportAgain(after: After, child: Instance): void {
    const { output, failure } = this.#store.instances.payloads(child.key);
    const details = failure && pb.TaskFailureDetails.deserializeBinary(failure);
    if (child.parent) {
      this.#report(after, child, child.parent, { status: child.status, output, failure: details });
    }
  }

  #report(after: After, child: Instance, link: ParentLink, outcome: Outcome): void {
    const parent = this.#store.instances.byKey(link.key);
    if (parent?.generation !== link.generation) return; // L2
    const nowMs = now();
    const message =
      outcome.status === COMPLETED
        ? childCompleted(nowMs, link.taskId, outcome.output)
        : childFailed(nowMs, link.taskId, outcome.failure ?? terminatedFailure(child));
    this.deliver(after, parent, message);
  }
}

function terminatedFailure(child: Instance): pb.TaskFailureDetails {
  return failureDetails(
    "OrchestrationTerminated",
    `Sub-orchestration '${child.instanceId}' was terminated.`,
  );
}

/** 32 hex digits, as the SDKs expect. */
export function newExecutionId(): string {
  return randomUUID().replaceAll("-", "");
}
