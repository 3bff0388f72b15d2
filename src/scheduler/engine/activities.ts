/** Activities: loads them for workers and stores their results. */
import { now } from "../clock.ts";
import { storeResult } from "../dispatch/store-result.ts";
import type { UnregisteredWork } from "../dispatch/unregistered-work.ts";
import type { LoadedWork, WorkItem } from "../dispatch/work-item.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { activityWorkItem } from "../protocol/framing.ts";
import { failureDetails, taskCompleted, taskFailed } from "../protocol/history-events.ts";
import type { pb } from "../protocol/proto.ts";
import { staleToken } from "../protocol/status-errors.ts";
import { boundedFailure, payloadProblem } from "../protocol/validation.ts";
import type { After, GroupCommit } from "../storage/group-commit.ts";
import type { Store } from "../storage/store.ts";
import type { Lifecycle } from "./lifecycle.ts";

export interface ActivitiesParts {
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly queue: WorkQueue;
  readonly lifecycle: Lifecycle;
  readonly unregistered: UnregisteredWork;
}

export class Activities {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;
  readonly #unregistered: UnregisteredWork;

  constructor({ store, commit, queue, lifecycle, unregistered }: ActivitiesParts) {
    this.#store = store;
    this.#commit = commit;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
    this.#unregistered = unregistered;
  }

  load({ instanceKey, id }: WorkItem): LoadedWork | undefined {
    const request = this.#store.activityRequest(instanceKey, id);
    return request && { bytes: activityWorkItem(request) };
  }

  async complete(response: pb.ActivityResponse): Promise<void> {
    const lease = this.#queue.settle(response.getCompletiontoken(), "activity");
    if (!lease) throw staleToken();
    this.#unregistered.inspect(lease, response.getFailuredetails());
    await storeResult(this.#commit, this.#queue, lease, (after) =>
      this.#apply(after, lease.item, response),
    );
  }

  #apply(after: After, item: WorkItem, response: pb.ActivityResponse): void {
    const activity = this.#store.activity(item.instanceKey, item.id);
    if (!activity) return;
    this.#store.removeActivity(item.instanceKey, item.id);
    const instance = this.#store.instances.byKey(item.instanceKey);
    if (instance?.generation !== activity.generation) return; // INSTANCE-2
    const result = response.getResult()?.getValue();
    const problem = payloadProblem(`The result of activity '${activity.name}'`, result);
    const failure = problem
      ? failureDetails("PayloadTooLarge", problem)
      : boundedFailure(response.getFailuredetails());
    const message = failure
      ? taskFailed(now(), activity.taskId, failure)
      : taskCompleted(now(), activity.taskId, result);
    this.#lifecycle.deliver(after, instance, message);
  }
}
