/** Creates and serializes the history events that the scheduler writes. */

import { pb, stringValue, toTimestamp } from "./proto.ts";
import { setTags, type Tags } from "./tags.ts";

export const EventKind = pb.HistoryEvent.EventtypeCase;

/** An event in an inbox. `kind` is stored beside it, so that the event need not be parsed. */
export interface Message {
  readonly kind: number;
  readonly event: Uint8Array;
}

/** The id of results and messages. The confirmation of an action has the action's id. */
const NOT_A_CONFIRMATION = -1;
/** The same as on the Durable Task Scheduler. */
const EXECUTION_STARTED_ID = 0;

/** The instance that waits for a sub-orchestration, and the task by which it waits. */
export interface ParentLink {
  readonly key: number;
  readonly generation: number;
  readonly taskId: number;
  readonly instanceId: string;
  readonly executionId: string;
}

function event(atMs: number, eventId = NOT_A_CONFIRMATION): pb.HistoryEvent {
  const result = new pb.HistoryEvent();
  result.setEventid(eventId);
  result.setTimestamp(toTimestamp(atMs));
  return result;
}

function message(source: pb.HistoryEvent): Message {
  return { kind: source.getEventtypeCase(), event: source.serializeBinary() };
}

/** The first event of every turn. Its timestamp is the orchestrator's clock. */
export function orchestratorStarted(nowMs: number): Message {
  const result = event(nowMs);
  result.setOrchestratorstarted(new pb.OrchestratorStartedEvent());
  return message(result);
}

export interface Start {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  readonly scheduledStartMs?: number | undefined;
  readonly parent?: (ParentLink & { readonly name: string }) | undefined;
  readonly tags: Tags;
  readonly traceContext?: pb.TraceContext | undefined;
}

export function executionStarted(nowMs: number, start: Start): Message {
  const instance = new pb.OrchestrationInstance();
  instance.setInstanceid(start.instanceId);
  instance.setExecutionid(stringValue(start.executionId));
  const body = new pb.ExecutionStartedEvent();
  body.setName(start.name);
  body.setVersion(stringValue(start.version));
  body.setInput(stringValue(start.input));
  body.setOrchestrationinstance(instance);
  if (start.scheduledStartMs) body.setScheduledstarttimestamp(toTimestamp(start.scheduledStartMs));
  if (start.parent) body.setParentinstance(parentInfo(start.parent));
  body.setParenttracecontext(start.traceContext);
  setTags(body, start.tags);
  const result = event(nowMs, EXECUTION_STARTED_ID);
  result.setExecutionstarted(body);
  return message(result);
}

function parentInfo(parent: ParentLink & { readonly name: string }): pb.ParentInstanceInfo {
  const instance = new pb.OrchestrationInstance();
  instance.setInstanceid(parent.instanceId);
  instance.setExecutionid(stringValue(parent.executionId));
  const info = new pb.ParentInstanceInfo();
  info.setTaskscheduledid(parent.taskId);
  info.setName(stringValue(parent.name));
  info.setOrchestrationinstance(instance);
  return info;
}

export function executionCompleted(
  nowMs: number,
  eventId: number,
  outcome: {
    status: number;
    output: string | undefined;
    failure: pb.TaskFailureDetails | undefined;
  },
): Uint8Array {
  const body = new pb.ExecutionCompletedEvent();
  body.setOrchestrationstatus(outcome.status as pb.OrchestrationStatus);
  body.setResult(stringValue(outcome.output));
  body.setFailuredetails(outcome.failure);
  const result = event(nowMs, eventId);
  result.setExecutioncompleted(body);
  return result.serializeBinary();
}

export function taskCompleted(nowMs: number, taskId: number, output: string | undefined): Message {
  const body = new pb.TaskCompletedEvent();
  body.setTaskscheduledid(taskId);
  body.setResult(stringValue(output));
  const result = event(nowMs);
  result.setTaskcompleted(body);
  return message(result);
}

export function taskFailed(nowMs: number, taskId: number, failure: pb.TaskFailureDetails): Message {
  const body = new pb.TaskFailedEvent();
  body.setTaskscheduledid(taskId);
  body.setFailuredetails(failure);
  const result = event(nowMs);
  result.setTaskfailed(body);
  return message(result);
}

export function childCompleted(nowMs: number, taskId: number, output: string | undefined): Message {
  const body = new pb.SubOrchestrationInstanceCompletedEvent();
  body.setTaskscheduledid(taskId);
  body.setResult(stringValue(output));
  const result = event(nowMs);
  result.setSuborchestrationinstancecompleted(body);
  return message(result);
}

export function childFailed(
  nowMs: number,
  taskId: number,
  failure: pb.TaskFailureDetails,
): Message {
  const body = new pb.SubOrchestrationInstanceFailedEvent();
  body.setTaskscheduledid(taskId);
  body.setFailuredetails(failure);
  const result = event(nowMs);
  result.setSuborchestrationinstancefailed(body);
  return message(result);
}

export function timerFired(nowMs: number, timerId: number, fireAtMs: number): Message {
  const body = new pb.TimerFiredEvent();
  body.setTimerid(timerId);
  body.setFireat(toTimestamp(fireAtMs));
  const result = event(nowMs);
  result.setTimerfired(body);
  return message(result);
}

export function eventRaised(nowMs: number, name: string, input: string | undefined): Message {
  const body = new pb.EventRaisedEvent();
  body.setName(name);
  body.setInput(stringValue(input));
  const result = event(nowMs);
  result.setEventraised(body);
  return message(result);
}

export function executionSuspended(nowMs: number, reason: string | undefined): Message {
  const body = new pb.ExecutionSuspendedEvent();
  body.setInput(stringValue(reason));
  const result = event(nowMs);
  result.setExecutionsuspended(body);
  return message(result);
}

export function executionResumed(nowMs: number, reason: string | undefined): Message {
  const body = new pb.ExecutionResumedEvent();
  body.setInput(stringValue(reason));
  const result = event(nowMs);
  result.setExecutionresumed(body);
  return message(result);
}

export function executionTerminated(
  nowMs: number,
  output: string | undefined,
  recurse: boolean,
): Message {
  const body = new pb.ExecutionTerminatedEvent();
  body.setInput(stringValue(output));
  body.setRecurse(recurse);
  const result = event(nowMs);
  result.setExecutionterminated(body);
  return message(result);
}

export function executionRewound(
  nowMs: number,
  reason: string | undefined,
  parentExecutionId: string | undefined,
): Message {
  const body = new pb.ExecutionRewoundEvent();
  body.setReason(stringValue(reason));
  body.setParentexecutionid(stringValue(parentExecutionId));
  const result = event(nowMs);
  result.setExecutionrewound(body);
  return message(result);
}

export function entityOperationSignaled(
  nowMs: number,
  entityId: string,
  signal: { requestId: string; operation: string; input: string | undefined },
): Message {
  const body = new pb.EntityOperationSignaledEvent();
  body.setRequestid(signal.requestId);
  body.setOperation(signal.operation);
  body.setInput(stringValue(signal.input));
  body.setTargetinstanceid(stringValue(entityId));
  const result = event(nowMs);
  result.setEntityoperationsignaled(body);
  return message(result);
}

export function entityOperationCompleted(
  nowMs: number,
  requestId: string,
  output: string | undefined,
): Message {
  const body = new pb.EntityOperationCompletedEvent();
  body.setRequestid(requestId);
  body.setOutput(stringValue(output));
  const result = event(nowMs);
  result.setEntityoperationcompleted(body);
  return message(result);
}

export function entityOperationFailed(
  nowMs: number,
  requestId: string,
  failure: pb.TaskFailureDetails,
): Message {
  const body = new pb.EntityOperationFailedEvent();
  body.setRequestid(requestId);
  body.setFailuredetails(failure);
  const result = event(nowMs);
  result.setEntityoperationfailed(body);
  return message(result);
}

export function entityLockGranted(nowMs: number, criticalSectionId: string): Message {
  const body = new pb.EntityLockGrantedEvent();
  body.setCriticalsectionid(criticalSectionId);
  const result = event(nowMs);
  result.setEntitylockgranted(body);
  return message(result);
}

export function failureDetails(errorType: string, errorMessage: string): pb.TaskFailureDetails {
  const failure = new pb.TaskFailureDetails();
  failure.setErrortype(errorType);
  failure.setErrormessage(errorMessage);
  return failure;
}
