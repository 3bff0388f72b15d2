import type { Instance, RuntimeStatus } from "../../dts/instance.ts";

/** `Completed` and `Failed` keep the casing of the sample's API, whose clients compare them. */
export const OPERATION_STATUSES = [
  "PENDING",
  "RUNNING",
  "SUSPENDED",
  "Completed",
  "Failed",
  "TERMINATED",
  "CANCELED",
] as const;
export type OperationStatus = (typeof OPERATION_STATUSES)[number];

/** The statuses of operations that are finished. */
export const TERMINAL_STATUSES = ["Completed", "Failed", "TERMINATED", "CANCELED"] as const;

/** The statuses of instances that are not finished. */
export const ACTIVE_STATUSES: readonly RuntimeStatus[] = [
  "PENDING",
  "RUNNING",
  "SUSPENDED",
  "CONTINUED_AS_NEW",
];

export function isTerminal(status: RuntimeStatus): boolean {
  return !ACTIVE_STATUSES.includes(status);
}

const SHOWN_AS: Record<RuntimeStatus, OperationStatus> = {
  PENDING: "PENDING",
  RUNNING: "RUNNING",
  CONTINUED_AS_NEW: "RUNNING",
  SUSPENDED: "SUSPENDED",
  COMPLETED: "Completed",
  FAILED: "Failed",
  TERMINATED: "TERMINATED",
  CANCELED: "CANCELED",
};

/**
 * The status that viewers see. Some schedulers store PENDING again between the runs of a
 * continue-as-new, and after a rewind; such a PENDING is later than the instance's creation, and the
 * operation has started before: it is RUNNING.
 */
export function shownStatus({ status, createdAtMs, lastUpdatedAtMs }: Instance): RuntimeStatus {
  return status === "PENDING" && lastUpdatedAtMs > createdAtMs ? "RUNNING" : status;
}

export function documentStatus(instance: Instance): OperationStatus {
  return SHOWN_AS[shownStatus(instance)];
}
