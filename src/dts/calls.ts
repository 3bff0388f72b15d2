import type { Logger } from "pino";
import { SchedulerError, type SchedulerErrorKind } from "./scheduler-error.ts";

/** Where calls to the scheduler are logged, at the level `debug`. */
export type CallLog = Pick<Logger, "debug"> &
  // The logger of an application that does not log has no levels.
  Partial<Pick<Logger, "isLevelEnabled">>;

/** Receives the outcome of each call that has an end of its own. */
export type CallMeter = (rpc: string, outcome: CallOutcome, seconds: number) => void;

export type CallOutcome = "ok" | SchedulerErrorKind;

/** Receives a report of each call. */
export interface CallObservers {
  readonly log?: CallLog | undefined;
  readonly meter?: CallMeter | undefined;
}

export interface ObservedCall {
  readonly rpc: string;
  /** The instance that it is about, if it is about one. */
  readonly operationId?: string | undefined;
}

/** Runs `call`, and reports how it ended and how long it took. */
export async function observed<Result>(
  { log, meter }: CallObservers,
  about: ObservedCall,
  call: () => Promise<Result>,
): Promise<Result> {
  const startedMs = performance.now();
  const report = (outcome: CallOutcome, reason?: string) => {
    const durationMs = performance.now() - startedMs;
    meter?.(about.rpc, outcome, durationMs / 1000);
    if (!log?.isLevelEnabled?.("debug")) return;
    const line = { ...about, outcome, durationMs: Math.round(durationMs), reason };
    log.debug(line, "scheduler call");
  };
  try {
    const result = await call();
    report("ok");
    return result;
  } catch (error) {
    const outcome = error instanceof SchedulerError ? error.kind : "failed";
    report(outcome, (error as Error).message);
    throw error;
  }
}
