import { setTimeout as delay } from "node:timers/promises";
import type { ActivityContext } from "@microsoft/durabletask-js";

export const PROCESS_LONG_RUNNING_OPERATION = "process_long_running_operation";

/** Input of the activity. `processing_time` is in seconds and may be a fraction. */
export interface ProcessInput {
  readonly operation_id: string;
  readonly processing_time: number;
}

/** What the sample's operation returns. `processed_at` is in seconds since the epoch. */
export interface ProcessResult {
  readonly operation_id: string;
  readonly status: "completed";
  readonly result: string;
  readonly processed_at: number;
}

/** Stands for real work: takes `processing_time` seconds, then reports the sample's result. */
export async function processLongRunningOperation(
  _context: ActivityContext,
  { operation_id, processing_time }: ProcessInput,
): Promise<ProcessResult> {
  await delay(processing_time * 1000);
  return {
    operation_id,
    status: "completed",
    result: `Operation ${operation_id} completed successfully`,
    processed_at: Date.now() / 1000,
  };
}
