/** Turns the actions of an orchestrator's response into a plan of changes. Pure: nothing is stored here. */
import { EventKind } from "../protocol/history-events.ts";
import { pb, toMs, toTimestamp } from "../protocol/proto.ts";
import { CONTINUED_AS_NEW } from "../protocol/status.ts";
import { setTags, tagsOf } from "../protocol/tags.ts";
import {
  callProblem,
  entityIdProblem,
  nameProblem,
  payloadProblem,
} from "../protocol/validation.ts";

const MAX_LOCK_SET = 100;

export interface TurnPlan {
  /** One serialized event for each action, with the action's id, so that a replay finds it. */
  readonly confirmations: readonly Uint8Array[];
  readonly activities: readonly {
    readonly taskId: number;
    readonly action: pb.ScheduleTaskAction;
  }[];
  readonly timers: readonly { readonly timerId: number; readonly dueMs: number }[];
  readonly children: readonly {
    readonly taskId: number;
    readonly action: pb.CreateSubOrchestrationAction;
  }[];
  readonly sends: readonly pb.SendEventAction[];
  readonly entityMessages: readonly pb.SendEntityMessageAction[];
  readonly terminations: readonly pb.TerminateOrchestrationAction[];
  readonly end: TurnEnd;
}

export type TurnEnd =
  | { readonly kind: "waits" }
  | { readonly kind: "continues"; readonly action: pb.CompleteOrchestrationAction }
  | {
      readonly kind: "ends";
      readonly eventId: number;
      readonly action: pb.CompleteOrchestrationAction;
    };

/** @throws UnacceptableTurnError when an action cannot be carried out */
export function planTurn(response: pb.OrchestratorResponse, nowMs: number): TurnPlan {
  const Case = pb.OrchestratorAction.OrchestratoractiontypeCase;
  const confirmations: Uint8Array[] = [];
  const activities: { taskId: number; action: pb.ScheduleTaskAction }[] = [];
  const timers: { timerId: number; dueMs: number }[] = [];
  const children: { taskId: number; action: pb.CreateSubOrchestrationAction }[] = [];
  const sends: pb.SendEventAction[] = [];
  const entityMessages: pb.SendEntityMessageAction[] = [];
  const terminations: pb.TerminateOrchestrationAction[] = [];
  let end: TurnEnd = { kind: "waits" };

  fits("The custom status", response.getCustomstatus());
  for (const source of response.getActionsList()) {
    const id = source.getId();
    const confirm = (fill: (event: pb.HistoryEvent) => void) =>
      confirmations.push(confirmation(id, nowMs, fill));
    switch (source.getOrchestratoractiontypeCase()) {
      case Case.SCHEDULETASK: {
        const action = source.getScheduletask() as pb.ScheduleTaskAction;
        refuse(callProblem("activity", action));
        activities.push({ taskId: id, action });
        confirm((event) => event.setTaskscheduled(taskScheduled(action)));
        break;
      }
      case Case.CREATETIMER: {
        const dueMs = toMs(source.getCreatetimer()?.getFireat()) ?? nowMs;
        timers.push({ timerId: id, dueMs });
        confirm((event) => event.setTimercreated(timerCreated(dueMs)));
        break;
      }
      case Case.CREATESUBORCHESTRATION: {
        const action = source.getCreatesuborchestration() as pb.CreateSubOrchestrationAction;
        refuse(callProblem("sub-orchestration", action));
        children.push({ taskId: id, action });
        confirm((event) => event.setSuborchestrationinstancecreated(childCreated(action)));
        break;
      }
      case Case.SENDEVENT: {
        const action = source.getSendevent() as pb.SendEventAction;
        checkEvent(action.getName(), action.getData());
        sends.push(action);
        confirm((event) => event.setEventsent(eventSent(action)));
        break;
      }
      case Case.SENDENTITYMESSAGE: {
        const action = source.getSendentitymessage() as pb.SendEntityMessageAction;
        entityMessages.push(checkEntityMessage(action));
        confirm((event) => copyEntityMessage(action, event));
        break;
      }
      case Case.TERMINATEORCHESTRATION:
        terminations.push(source.getTerminateorchestration() as pb.TerminateOrchestrationAction);
        break;
      case Case.COMPLETEORCHESTRATION: {
        const action = source.getCompleteorchestration() as pb.CompleteOrchestrationAction;
        fits("The output", action.getResult());
        refuse(nameProblem("The new version", action.getNewversion()?.getValue() ?? ""));
        for (const event of action.getCarryovereventsList()) {
          const raised = event.getEventraised();
          checkEvent(raised?.getName() ?? "", raised?.getInput());
        }
        end =
          action.getOrchestrationstatus() === CONTINUED_AS_NEW
            ? { kind: "continues", action }
            : { kind: "ends", eventId: id, action };
        break;
      }
      default:
        throw unsupported(source);
    }
  }
  return { confirmations, activities, timers, children, sends, entityMessages, terminations, end };
}

/** An action cannot be carried out. A retry would ask for it again, so the instance fails instead. */
export class UnacceptableTurnError extends Error {
  override readonly name = "UnacceptableTurnError";
  readonly errorType: string;
  constructor(errorType: string, message: string) {
    super(message);
    this.errorType = errorType;
  }
}

function unsupported(action: pb.OrchestratorAction): UnacceptableTurnError {
  return new UnacceptableTurnError(
    "NotSupported",
    `The embedded scheduler does not support actions of kind ${action.getOrchestratoractiontypeCase()}.`,
  );
}

function checkEntityMessage(message: pb.SendEntityMessageAction): pb.SendEntityMessageAction {
  const operation = message.getEntityoperationcalled() ?? message.getEntityoperationsignaled();
  const lockSet = message.getEntitylockrequested()?.getLocksetList();
  const targets = operation ? [operation.getTargetinstanceid()?.getValue() ?? ""] : lockSet;
  const problem = targets?.map(entityIdProblem).find((each) => each !== undefined);
  if (problem) throw new UnacceptableTurnError("InvalidEntityId", problem);
  if (lockSet && lockSet.length > MAX_LOCK_SET) {
    refuse(`A lock set holds at most ${MAX_LOCK_SET} entities, got ${lockSet.length}.`);
  }
  if (operation) {
    const name = operation.getOperation();
    refuse(nameProblem("The name of the entity operation", name));
    fits(`The input of entity operation '${name}'`, operation.getInput());
  }
  return message;
}

function copyEntityMessage(from: pb.SendEntityMessageAction, to: pb.HistoryEvent): void {
  if (from.hasEntityoperationcalled()) to.setEntityoperationcalled(from.getEntityoperationcalled());
  if (from.hasEntityoperationsignaled())
    to.setEntityoperationsignaled(from.getEntityoperationsignaled());
  if (from.hasEntitylockrequested()) to.setEntitylockrequested(from.getEntitylockrequested());
  if (from.hasEntityunlocksent()) to.setEntityunlocksent(from.getEntityunlocksent());
}

function checkEvent(name: string, data: { getValue(): string } | undefined): void {
  refuse(nameProblem("The event's name", name));
  fits(`The data of event '${name}'`, data);
}

function fits(what: string, payload: { getValue(): string } | undefined): void {
  refuse(payloadProblem(what, payload?.getValue()));
}

function refuse(problem: string | undefined): void {
  if (problem) throw new UnacceptableTurnError("PayloadTooLarge", problem);
}

/** Whether the instance is suspended after these messages. `undefined`: unchanged. */
export function suspensionAfter(
  messages: readonly { readonly kind: number }[],
): boolean | undefined {
  const last = messages.findLast(
    ({ kind }) => kind === EventKind.EXECUTIONSUSPENDED || kind === EventKind.EXECUTIONRESUMED,
  );
  return last && last.kind === EventKind.EXECUTIONSUSPENDED;
}

function confirmation(
  id: number,
  nowMs: number,
  fill: (event: pb.HistoryEvent) => void,
): Uint8Array {
  const event = new pb.HistoryEvent();
  event.setEventid(id);
  event.setTimestamp(toTimestamp(nowMs));
  fill(event);
  return event.serializeBinary();
}

function taskScheduled(action: pb.ScheduleTaskAction): pb.TaskScheduledEvent {
  const event = new pb.TaskScheduledEvent();
  event.setName(action.getName());
  event.setVersion(action.getVersion());
  event.setInput(action.getInput());
  event.setParenttracecontext(action.getParenttracecontext());
  setTags(event, tagsOf(action));
  return event;
}

function childCreated(
  action: pb.CreateSubOrchestrationAction,
): pb.SubOrchestrationInstanceCreatedEvent {
  const event = new pb.SubOrchestrationInstanceCreatedEvent();
  event.setInstanceid(action.getInstanceid());
  event.setName(action.getName());
  event.setVersion(action.getVersion());
  event.setInput(action.getInput());
  event.setParenttracecontext(action.getParenttracecontext());
  setTags(event, tagsOf(action));
  return event;
}

function timerCreated(dueMs: number): pb.TimerCreatedEvent {
  const event = new pb.TimerCreatedEvent();
  event.setFireat(toTimestamp(dueMs));
  return event;
}

function eventSent(action: pb.SendEventAction): pb.EventSentEvent {
  const event = new pb.EventSentEvent();
  event.setInstanceid(action.getInstance()?.getInstanceid() ?? "");
  event.setName(action.getName());
  event.setInput(action.getData());
  return event;
}
