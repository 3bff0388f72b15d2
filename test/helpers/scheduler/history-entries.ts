import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { text, timestamp } from "./instance.ts";

/* The entries of a history, as a scheduler sends them. */

let clockMs = 1_700_000_000_000;

/** An entry of a history. By default its time is later than that of all entries made before. */
export function entry(
  fill: (event: Proto.HistoryEvent) => void,
  eventId = -1,
  atMs: number | undefined = clockMs++,
): Proto.HistoryEvent {
  const event = new pb.HistoryEvent();
  event.setEventid(eventId);
  if (atMs !== undefined) event.setTimestamp(timestamp(atMs));
  fill(event);
  return event;
}

export const turnStarted = (atMs?: number) =>
  entry((event) => event.setOrchestratorstarted(new pb.OrchestratorStartedEvent()), -1, atMs);
export const turnCompleted = () =>
  entry((event) => event.setOrchestratorcompleted(new pb.OrchestratorCompletedEvent()));

export function started(executionId = "one", atMs?: number) {
  return entry(
    (event) => {
      const body = new pb.ExecutionStartedEvent();
      const owner = new pb.OrchestrationInstance();
      owner.setExecutionid(text(executionId));
      body.setOrchestrationinstance(owner);
      body.setName("scripted");
      event.setExecutionstarted(body);
    },
    -1,
    atMs,
  );
}

export function scheduled(id: number, input?: string) {
  return entry((event) => {
    const body = new pb.TaskScheduledEvent();
    body.setName(`task ${id}`);
    if (input !== undefined) body.setInput(text(input));
    event.setTaskscheduled(body);
  }, id);
}

export function completed(id: number) {
  return entry((event) => {
    const body = new pb.TaskCompletedEvent();
    body.setTaskscheduledid(id);
    event.setTaskcompleted(body);
  });
}

export function ended(how: "COMPLETED" | "FAILED" | "TERMINATED" = "COMPLETED") {
  return entry((event) => {
    const body = new pb.ExecutionCompletedEvent();
    body.setOrchestrationstatus(pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${how}`]);
    event.setExecutioncompleted(body);
  });
}

/** A history of `length` entries that has not ended: the start, then activities. */
export function history(length: number, executionId?: string): Proto.HistoryEvent[] {
  const events = [turnStarted(), started(executionId)];
  for (let id = 0; events.length < length; id += 1) events.push(scheduled(id), completed(id));
  return events.slice(0, length);
}
