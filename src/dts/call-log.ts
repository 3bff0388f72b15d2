import type { Logger } from "pino";
import { SchedulerError } from "./scheduler-error.ts";

/** Where calls to the scheduler are logged, at the level `debug`. */
export type CallLog = Pick<Logger, "debug" | "isLevelEnabled">;

export interface LoggedCall {
  readonly rpc: string;
  /** The instance that it is about, if it is about one. */
  readonly operationId?: string | undefined;
}

/** Runs `call`, and logs how it ended and how long it took. */
export async function logged<Result>(
  log: CallLog | undefined,
  about: LoggedCall,
  call: () => Promise<Result>,
): Promise<Result> {
  if (!log?.isLevelEnabled("debug")) return call();
  const startedMs = performance.now();
  const line = (outcome: string) => ({
    ...about,
    outcome,
    durationMs: Math.round(performance.now() - startedMs),
  });
  try {
    const result = await call();
    log.debug(line("ok"), "scheduler call");
    return result;
  } catch (error) {
    const outcome = error instanceof SchedulerError ? error.kind : "failed";
    log.debug({ ...line(outcome), reason: (error as Error).message }, "scheduler call");
    throw error;
  }
}
