import type { OrchestrationContext, Task } from "@microsoft/durabletask-js";
import type { Logger } from "pino";
import {
  PROCESS_LONG_RUNNING_OPERATION,
  type ProcessInput,
  type ProcessResult,
} from "../activities/process-long-running-operation.ts";

/** Input of the orchestration, as the API sends it. The sample's client leaves `steps` out. */
export interface OperationInput {
  readonly operation_id?: string;
  /** Seconds in all, spread evenly over the steps. */
  readonly processing_time: number;
  /** Default: one a second, at least 1 and at most 10. */
  readonly steps?: number;
}

/** What a viewer sees while the operation runs; set after each step. */
export interface Progress {
  readonly percent: number;
  readonly step: number;
  readonly steps: number;
  readonly message: string;
}

/** The steps of an operation whose input has no `steps`. */
export function defaultSteps(processingTimeS: number): number {
  return Math.max(1, Math.min(10, Math.floor(processingTimeS)));
}

/**
 * Does the work in `steps` activity calls and reports progress after each. Replays log nothing: the
 * lines at start and end appear once.
 */
export function createAsyncHttpApiOrchestrator(logger: Logger) {
  return async function* asyncHttpApiOrchestrator(
    context: OrchestrationContext,
    input: OperationInput | undefined,
  ): AsyncGenerator<Task<ProcessResult>, ProcessResult, ProcessResult> {
    const { operationId, processingTimeS, steps } = readInput(context, input);
    if (!context.isReplaying) {
      logger.info({ operationId, processingTimeS, steps }, "operation started");
    }
    const activityInput: ProcessInput = {
      operation_id: operationId,
      processing_time: processingTimeS / steps,
    };
    let result: ProcessResult | undefined;
    for (let step = 1; step <= steps; step += 1) {
      result = yield context.callActivity<ProcessInput, ProcessResult>(
        PROCESS_LONG_RUNNING_OPERATION,
        activityInput,
      );
      context.setCustomStatus({
        percent: Math.floor((step / steps) * 100),
        step,
        steps,
        message: `step ${step} of ${steps}`,
      } satisfies Progress);
    }
    if (!context.isReplaying) logger.info({ operationId }, "operation completed");
    return result as ProcessResult;
  };
}

/** @throws Error, which fails the orchestration, if the input is not valid */
function readInput(context: OrchestrationContext, input: OperationInput | undefined) {
  const processingTimeS = input?.processing_time;
  if (typeof processingTimeS !== "number" || !(processingTimeS >= 0 && processingTimeS <= 86_400)) {
    throw new Error("processing_time must be a number of seconds from 0 to 86400");
  }
  const steps = input?.steps ?? defaultSteps(processingTimeS);
  if (!Number.isInteger(steps) || steps < 1 || steps > 1000) {
    throw new Error("steps must be an integer from 1 to 1000");
  }
  return { operationId: input?.operation_id ?? context.instanceId, processingTimeS, steps };
}
