/** Runtime statuses of the protocol, and their names. */
import { pb } from "./proto.ts";

const P = pb.OrchestrationStatus;
export const RUNNING = P.ORCHESTRATION_STATUS_RUNNING;
export const COMPLETED = P.ORCHESTRATION_STATUS_COMPLETED;
export const CONTINUED_AS_NEW = P.ORCHESTRATION_STATUS_CONTINUED_AS_NEW;
export const FAILED = P.ORCHESTRATION_STATUS_FAILED;
export const CANCELED = P.ORCHESTRATION_STATUS_CANCELED;
export const TERMINATED = P.ORCHESTRATION_STATUS_TERMINATED;
export const PENDING = P.ORCHESTRATION_STATUS_PENDING;
export const SUSPENDED = P.ORCHESTRATION_STATUS_SUSPENDED;

export const ALL_STATUSES: readonly number[] = [
  RUNNING,
  COMPLETED,
  CONTINUED_AS_NEW,
  FAILED,
  CANCELED,
  TERMINATED,
  PENDING,
  SUSPENDED,
];
export const TERMINAL_STATUSES: readonly number[] = [COMPLETED, FAILED, CANCELED, TERMINATED];
export const ACTIVE_STATUSES: readonly number[] = ALL_STATUSES.filter((each) => !isTerminal(each));

export function isTerminal(status: number): boolean {
  return TERMINAL_STATUSES.includes(status);
}

/** `5` → `TERMINATED` */
export function statusName(status: number): string {
  const name = Object.entries(P).find(([, value]) => value === status)?.[0];
  return name?.replace("ORCHESTRATION_STATUS_", "") ?? String(status);
}
