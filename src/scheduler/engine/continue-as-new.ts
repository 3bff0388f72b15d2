/** Starts the next generation of an instance: the same instance with a new history and execution id. */

import { now } from "../clock.ts";
import type { LeasedTurn } from "../dispatch/work-item.ts";
import {
  EventKind,
  eventRaised,
  executionStarted,
  executionSuspended,
  type Message,
} from "../protocol/history-events.ts";
import type { pb } from "../protocol/proto.ts";
import { RUNNING } from "../protocol/status.ts";
import { parseTags } from "../protocol/tags.ts";
import type { After } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import { type Lifecycle, newExecutionId } from "./lifecycle.ts";
import { suspensionAfter } from "./turn-plan.ts";

/**
 * The new generation receives, in this order: its start, the events that the orchestrator carries
 * over, and what has arrived meanwhile. Results for the old generation are discarded (INSTANCE-2).
 */
export function continueAsNew(
  after: After,
  store: Store,
  lifecycle: Lifecycle,
  instance: InstanceRow,
  turn: LeasedTurn,
  action: pb.CompleteOrchestrationAction,
): void {
  const nowMs = now();
  const { key } = instance;
  const input = action.getResult()?.getValue();
  const next: InstanceRow = {
    ...instance,
    executionId: newExecutionId(),
    generation: instance.generation + 1,
    turn: 0,
    version: action.getNewversion()?.getValue() ?? instance.version,
    status: RUNNING, // not PENDING: for clients the instance continues
  };
  const arrived = store.messages(key, store.lastId).filter(({ kind }) => outlivesGeneration(kind));
  lifecycle.dropPending(after, instance);
  store.removeHistory(key);
  store.instances.replaceInput(key, input);
  const start = executionStarted(nowMs, {
    ...next,
    input,
    tags: parseTags(instance.tags),
    traceContext: undefined,
    parent: instance.parent && {
      ...instance.parent,
      name: store.instances.byKey(instance.parent.key)?.name ?? "",
    },
  });
  for (const message of [
    start,
    ...carriedOver(action, nowMs),
    ...unanswered(turn, nowMs),
    ...arrived,
  ]) {
    store.addMessage(key, message);
  }
  lifecycle.save(after, next);
  lifecycle.ready(after, next);
}

function carriedOver(action: pb.CompleteOrchestrationAction, nowMs: number): Message[] {
  return action.getCarryovereventsList().map((event) => {
    const raised = event.getEventraised();
    return eventRaised(nowMs, raised?.getName() ?? "", raised?.getInput()?.getValue());
  });
}

/** Terminate and suspend requests that arrived in the turn in which the orchestrator continued as new. */
function unanswered(turn: LeasedTurn, nowMs: number): Message[] {
  const orders = turn.messages.filter(({ kind }) => kind === EventKind.EXECUTIONTERMINATED);
  return suspensionAfter(turn.messages)
    ? [executionSuspended(nowMs, undefined), ...orders]
    : orders;
}

/** Whether a message is for the instance, rather than for one generation of it. */
function outlivesGeneration(kind: number): boolean {
  return (
    kind === EventKind.EVENTRAISED ||
    kind === EventKind.EXECUTIONTERMINATED ||
    kind === EventKind.EXECUTIONSUSPENDED ||
    kind === EventKind.EXECUTIONRESUMED
  );
}
