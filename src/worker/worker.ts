import type { Logger } from "pino";
import type { Connection } from "../dts/connection/connection.ts";
import { type RunningWorker, startWorker } from "../dts/worker.ts";
import { SAMPLE_ORCHESTRATION } from "../sample.ts";
import {
  PROCESS_LONG_RUNNING_OPERATION,
  processLongRunningOperation,
} from "./activities/process-long-running-operation.ts";
import { createAsyncHttpApiOrchestrator } from "./orchestrators/async-http-api.ts";

/**
 * Serves this project's orchestrations and activities to one task hub.
 * @param shutdownMs how long `stop` waits for activities under way
 * @param onChanged gets the id of each orchestration whose state has just changed
 */
export function startOperationsWorker(
  connection: Connection,
  logger: Logger,
  shutdownMs: number,
  onChanged?: (operationId: string) => void,
): RunningWorker {
  return startWorker(
    connection,
    {
      orchestrators: { [SAMPLE_ORCHESTRATION]: createAsyncHttpApiOrchestrator(logger) },
      activities: { [PROCESS_LONG_RUNNING_OPERATION]: processLongRunningOperation },
    },
    logger,
    { shutdownMs, onChanged },
  );
}
