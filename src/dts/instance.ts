import type {
  TaskFailureDetails as ProtoFailure,
  OrchestrationState as ProtoState,
} from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";

/** The protocol's names, without their `ORCHESTRATION_STATUS_` prefix. */
export type RuntimeStatus =
  | "PENDING"
  | "RUNNING"
  | "SUSPENDED"
  | "CONTINUED_AS_NEW"
  | "COMPLETED"
  | "FAILED"
  | "TERMINATED"
  | "CANCELED";

/** One orchestration instance as the scheduler stores it. */
export interface Instance {
  readonly id: string;
  /** Of its orchestration. */
  readonly name: string;
  /** Of its orchestration; `undefined` where it has none. */
  readonly version: string | undefined;
  /** `undefined` where there are none. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  /** The instance that started it as a sub-orchestration. */
  readonly parentId: string | undefined;
  readonly status: RuntimeStatus;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Epoch milliseconds. */
  readonly lastUpdatedAtMs: number;
  /** The time that its start was put off to, in epoch milliseconds. */
  readonly scheduledAtMs: number | undefined;
  /** Epoch milliseconds; `undefined` before its end, and from schedulers that do not send it. */
  readonly completedAtMs: number | undefined;
  /** Serialised JSON as the orchestrator set it. */
  readonly customStatus: string | undefined;
  /** Serialised JSON. */
  readonly output: string | undefined;
  readonly failure: { readonly type: string; readonly message: string } | undefined;
}

/** An instance as a read returned it. */
export interface InstanceRead extends Instance {
  /** Serialised JSON. It can be large and never changes a state, so nothing keeps it (OPERATION-1). */
  readonly input?: string | undefined;
  /** Where it failed, as its worker reported it, with the causes. Nothing keeps it either. */
  readonly stack?: string | undefined;
}

const STATUSES = new Map<number, RuntimeStatus>(
  Object.entries(pb.OrchestrationStatus).map(([name, code]) => [
    Number(code),
    name.replace("ORCHESTRATION_STATUS_", "") as RuntimeStatus,
  ]),
);

/**
 * The SDK's own conversion is not used: in 0.4.0 it throws at a canceled instance, and one such
 * instance then hides its whole page of a query.
 */
export function toInstance(id: string, state: ProtoState): InstanceRead {
  const failure = state.getFailuredetails();
  return {
    id,
    name: state.getName(),
    version: state.getVersion()?.getValue() || undefined,
    tags: tagsOf(state),
    parentId: state.getParentinstanceid()?.getValue() || undefined,
    status: STATUSES.get(state.getOrchestrationstatus()) ?? "RUNNING",
    createdAtMs: epochMs(state.getCreatedtimestamp()) ?? 0,
    lastUpdatedAtMs: epochMs(state.getLastupdatedtimestamp()) ?? 0,
    scheduledAtMs: epochMs(state.getScheduledstarttimestamp()),
    completedAtMs: epochMs(state.getCompletedtimestamp()),
    // Some schedulers send an empty string for an unset one; neither is JSON.
    customStatus: state.getCustomstatus()?.getValue() || undefined,
    input: state.getInput()?.getValue() || undefined,
    output: state.getOutput()?.getValue() || undefined,
    failure: failure && { type: failure.getErrortype(), message: failure.getErrormessage() },
    stack: stackOf(failure),
  };
}

/** Causes of a failure whose stacks are shown. */
const MAX_CAUSES = 8;

/** The stack of a failure, then those of what caused it. */
function stackOf(failure: ProtoFailure | undefined): string | undefined {
  const stacks: string[] = [];
  for (let each = failure; each && stacks.length < MAX_CAUSES; each = each.getInnerfailure()) {
    const stack = each.getStacktrace()?.getValue();
    if (stack) stacks.push(stack);
  }
  return stacks.length > 0 ? stacks.join("\nCaused by: ") : undefined;
}

/** Whether nothing has changed, as far as an instance listed without payloads shows. */
export function isUnchanged(listed: Instance, known: Instance): boolean {
  return (
    listed.lastUpdatedAtMs === known.lastUpdatedAtMs &&
    listed.createdAtMs === known.createdAtMs &&
    listed.status === known.status
  );
}

/** Whether two reads returned exactly the same state. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  return (
    a.lastUpdatedAtMs === b.lastUpdatedAtMs &&
    a.createdAtMs === b.createdAtMs &&
    a.status === b.status &&
    a.customStatus === b.customStatus &&
    a.output === b.output &&
    a.failure?.type === b.failure?.type &&
    a.failure?.message === b.failure?.message
  );
}

/** In the order of their keys, so that every replica writes them alike. */
function tagsOf(state: ProtoState): Instance["tags"] {
  const tags = state.getTagsMap().getEntryList();
  return tags.length > 0 ? Object.fromEntries(tags) : undefined;
}

/** An unset time arrives as none, as the epoch or, from .NET, as the year 1. */
export function epochMs(
  timestamp: ReturnType<ProtoState["getCreatedtimestamp"]>,
): number | undefined {
  if (!timestamp) return undefined;
  const atMs = timestamp.getSeconds() * 1000 + Math.floor(timestamp.getNanos() / 1_000_000);
  return atMs > 0 ? atMs : undefined;
}
