/**
 * Warns when workers that share a task hub get each other's work: one worker has failed an item
 * because it has not registered that orchestrator, activity or entity, while another worker accepts
 * items of that name. Without work-item filters any worker of a hub may get an item.
 */

import type { pb } from "../protocol/proto.ts";
import type { SchedulerLogger } from "../scheduler-logger.ts";
import type { WorkItem, WorkKind } from "./work-item.ts";
import type { Lease, WorkQueue } from "./work-queue.ts";

/** Limit of warnings, one for each name. */
const MAX_WARNINGS = 1000;

/** Error types: `…NotRegisteredError` in JavaScript and Python, `…TaskNotFound` in .NET. */
const ERROR_TYPES = /NotRegistered|TaskNotFound/;
/** Java and Go have no error type for it; their messages contain the name and one of these. */
const MESSAGE = /not registered|is registered|no .*registered/i;

const KIND_NAMES: Record<WorkKind, string> = {
  turn: "orchestration",
  activity: "activity",
  entity: "entity",
};

export class UnregisteredWork {
  readonly #queue: WorkQueue;
  readonly #logger: SchedulerLogger;
  readonly #warned = new Set<string>();

  constructor(queue: WorkQueue, logger: SchedulerLogger) {
    this.#queue = queue;
    this.#logger = logger;
  }

  /** Looks at a failure that a worker has reported for an item. */
  inspect({ item, stream }: Lease, failure: pb.TaskFailureDetails | undefined): void {
    if (!failure || !isUnregistered(item, failure)) return;
    const key = JSON.stringify([item.hub, item.kind, item.name]);
    if (this.#warned.has(key) || this.#warned.size >= MAX_WARNINGS) return;
    const other = this.#queue.otherTaker(item, stream);
    if (!other) return;
    this.#warned.add(key);
    const { name } = item;
    const kind = KIND_NAMES[item.kind];
    const filters = other.hasFilters ? "a filter for that name" : "no work-item filters";
    this.#logger.warn(
      { taskHub: stream.taskHub, kind, name, worker: stream.label, otherWorker: other.label },
      `Worker ${stream.label} failed ${kind} '${name}' because it has not registered it. Worker ` +
        `${other.label} of the same task hub has ${filters}, so they get each other's work. Give both ` +
        "workers work-item filters, or separate task hubs.",
    );
  }
}

function isUnregistered({ name }: WorkItem, failure: pb.TaskFailureDetails): boolean {
  if (ERROR_TYPES.test(failure.getErrortype())) return true;
  const message = failure.getErrormessage().slice(0, 1000);
  return MESSAGE.test(message) && message.includes(name);
}
