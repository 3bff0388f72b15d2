/** The commands of clients for instances. Each runs in one transaction. */

import { randomUUID } from "node:crypto";
import { now } from "../clock.ts";
import {
  eventRaised,
  executionResumed,
  executionSuspended,
  type Message,
  timerFired,
} from "../protocol/history-events.ts";
import { isTerminal, statusName, TERMINAL_STATUSES } from "../protocol/status.ts";
import { instanceExists, instanceNotFound, precondition } from "../protocol/status-errors.ts";
import { parseTags } from "../protocol/tags.ts";
import type { After, GroupCommit } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { PendingTimer, Store } from "../storage/store.ts";
import type { Entities } from "./entities.ts";
import type { Lifecycle, NewInstance } from "./lifecycle.ts";
import type { Rewind } from "./rewind.ts";

/** Limit of timers fired in one transaction. */
const TIMER_BATCH = 500;

export interface InstanceCommandsParts {
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly lifecycle: Lifecycle;
  readonly rewind: Rewind;
  readonly entities: Entities;
}

export class InstanceCommands {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #lifecycle: Lifecycle;
  readonly #rewind: Rewind;
  readonly #entities: Entities;

  constructor({ store, commit, lifecycle, rewind, entities }: InstanceCommandsParts) {
    this.#store = store;
    this.#commit = commit;
    this.#lifecycle = lifecycle;
    this.#rewind = rewind;
    this.#entities = entities;
  }

  /**
   * @param replaceable statuses in which an existing instance of the same id is replaced. Without a
   *   reuse policy these are the terminal ones; a policy that lists none refuses every id in use.
   */
  async start(
    request: NewInstance,
    replaceable: readonly number[] = TERMINAL_STATUSES,
  ): Promise<void> {
    await this.#commit.run((after) => {
      const existing = this.#store.instances.byId(request.hub, request.instanceId);
      if (existing && !replaceable.includes(existing.status)) {
        throw instanceExists(existing.instanceId, statusName(existing.status));
      }
      this.#replace(after, existing, request);
    });
  }

  async raiseEvent(
    hub: number,
    id: string,
    name: string,
    input: string | undefined,
  ): Promise<void> {
    await this.#send(hub, id, eventRaised(now(), name, input));
  }

  async suspend(hub: number, id: string, reason: string | undefined): Promise<void> {
    await this.#send(hub, id, executionSuspended(now(), reason));
  }

  async resume(hub: number, id: string, reason: string | undefined): Promise<void> {
    await this.#send(hub, id, executionResumed(now(), reason));
  }

  async terminate(
    hub: number,
    id: string,
    output: string | undefined,
    recurse: boolean,
  ): Promise<void> {
    await this.#commit.run((after) =>
      this.#lifecycle.terminate(after, this.#find(hub, id), output, recurse),
    );
  }

  /** Starts an instance again with its name, version, input and tags. @returns the new instance's id */
  async restart(hub: number, id: string, withNewId: boolean): Promise<string> {
    return this.#commit.run((after) => {
      const existing = this.#find(hub, id);
      if (!withNewId && !isTerminal(existing.status)) {
        throw precondition(
          `Instance '${id}' is ${statusName(existing.status)} and cannot be restarted under its own id. ` +
            "Wait until it has ended, terminate it, or restart it with a new id.",
        );
      }
      const instanceId = withNewId ? randomUUID() : id;
      const { input } = this.#store.instances.payloads(existing.key);
      const { name, version, tags } = existing;
      const request = { hub, instanceId, name, version, input, tags: parseTags(tags) };
      this.#replace(after, withNewId ? undefined : existing, request);
      return instanceId;
    });
  }

  async rewind(hub: number, id: string, reason: string | undefined): Promise<void> {
    await this.#commit.run((after) => this.#rewind.begin(after, this.#find(hub, id), reason));
  }

  /** Terminates without running the orchestrators. @returns the ids that were unknown or already terminal */
  async terminateByForce(
    hub: number,
    ids: readonly string[],
    output: string | undefined,
  ): Promise<string[]> {
    return this.#commit.run((after) =>
      ids.filter((id) => {
        const instance = this.#store.instances.byId(hub, id);
        if (!instance || isTerminal(instance.status)) return true;
        this.#lifecycle.endByForce(after, instance, output);
        return false;
      }),
    );
  }

  /** Removes terminal instances. @returns how many */
  async purge(hub: number, ids: readonly string[], recursive: boolean): Promise<number> {
    return this.#commit.run((after) => {
      let purged = 0;
      for (const id of ids) {
        const instance = this.#store.instances.byId(hub, id);
        if (instance) purged += this.#purgeTree(after, instance, recursive);
      }
      return purged;
    });
  }

  /** Fires the timers that are due (TIMER-2). */
  async fireTimers(nowMs: number): Promise<void> {
    await this.#commit.run((after) => {
      for (const timer of this.#store.dueTimers(nowMs, TIMER_BATCH)) this.#fire(after, timer);
      this.#entities.fireSignals(after, nowMs, TIMER_BATCH);
    });
  }

  #fire(after: After, timer: PendingTimer): void {
    this.#store.removeTimer(timer.instanceKey, timer.id);
    const instance = this.#store.instances.byKey(timer.instanceKey);
    if (instance?.generation !== timer.generation || isTerminal(instance.status)) return;
    if (timer.timerId !== undefined) {
      const event = timerFired(now(), timer.timerId, timer.dueMs);
      this.#lifecycle.deliver(after, instance, event);
      return;
    }
    // A scheduled start is due. Clients see no change, so `updated_ms` stays.
    this.#store.instances.update({ ...instance, awaitsStart: false });
    this.#lifecycle.ready(after, instance);
  }

  async #send(hub: number, id: string, message: Message): Promise<void> {
    await this.#commit.run((after) => {
      this.#lifecycle.deliver(after, this.#find(hub, id), message);
    });
  }

  #find(hub: number, id: string): InstanceRow {
    const instance = this.#store.instances.byId(hub, id);
    if (!instance) throw instanceNotFound(id);
    return instance;
  }

  #replace(after: After, existing: InstanceRow | undefined, request: NewInstance): void {
    if (existing) this.#lifecycle.purge(after, existing);
    this.#lifecycle.create(after, request, existing?.updatedMs);
  }

  #purgeTree(after: After, instance: InstanceRow, recursive: boolean): number {
    if (!isTerminal(instance.status)) return 0;
    let purged = 1;
    if (recursive) {
      for (const child of this.#store.instances.childrenOf(instance.key)) {
        purged += this.#purgeTree(after, child, true);
      }
    }
    this.#lifecycle.purge(after, instance);
    return purged;
  }
}
