import type { OrchestrationState as ProtoState } from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
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
  readonly name: string;
  readonly status: RuntimeStatus;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Epoch milliseconds. */
  readonly lastUpdatedAtMs: number;
  /** Serialised JSON as the orchestrator set it. */
  readonly customStatus: string | undefined;
  /** Serialised JSON. */
  readonly output: string | undefined;
  readonly failure: { readonly type: string; readonly message: string } | undefined;
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
export function toInstance(id: string, state: ProtoState): Instance {
  const failure = state.getFailuredetails();
  return {
    id,
    name: state.getName(),
    status: STATUSES.get(state.getOrchestrationstatus()) ?? "RUNNING",
    createdAtMs: epochMs(state.getCreatedtimestamp()),
    lastUpdatedAtMs: epochMs(state.getLastupdatedtimestamp()),
    // Some schedulers send an empty string for an unset one; neither is JSON.
    customStatus: state.getCustomstatus()?.getValue() || undefined,
    output: state.getOutput()?.getValue() || undefined,
    failure: failure && { type: failure.getErrortype(), message: failure.getErrormessage() },
  };
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

function epochMs(timestamp: ReturnType<ProtoState["getCreatedtimestamp"]>): number {
  if (!timestamp) return 0;
  return timestamp.getSeconds() * 1000 + Math.floor(timestamp.getNanos() / 1_000_000);
}
