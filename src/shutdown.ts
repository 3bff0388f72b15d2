import closeWithGrace from "close-with-grace";
import type { Logger } from "pino";

/** Signals that end the process in order. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** Signals that close-with-grace handles unless they are excluded. After a fault of the processor none can be. */
const UNHANDLED = ["SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"] as const;

/** A signal to a whole process group reaches node twice: directly and through npm. */
const SAME_SIGNAL_MS = 1000;

/** How a part of the process is to close. */
export interface CloseOptions {
  /** Whether load balancers get the time to notice. Only replicas that are replaced need it. */
  readonly drain: boolean;
  /** Aborted when no more time is to be spent: what is left is closed at once, in order. */
  readonly hurry: AbortSignal;
}

/**
 * Ends the process in order when it gets a signal, or after an error that nothing handled.
 *   EXIT-1. `close` runs once. The process ends with code 0 when it is done, and with 1 after
 *           `graceMs`, or if an unhandled error was the reason.
 *   EXIT-2. SIGTERM comes from an orchestrator that replaces replicas, so `close` gives load balancers
 *           time. SIGINT comes from a person and SIGHUP from a closed terminal: there are none.
 *   EXIT-3. A second signal is no kill: it aborts `hurry`, and the code is still 0.
 */
export function closeOnSignal(
  graceMs: number,
  logger: Logger,
  close: (options: CloseOptions) => Promise<void>,
): void {
  const hurry = new AbortController();
  let started: { readonly atMs: number; readonly signal?: NodeJS.Signals } | undefined;

  const { close: end } = closeWithGrace(
    { delay: graceMs, logger, skip: [...SIGNALS, ...UNHANDLED] },
    async ({ err }) => {
      started ??= { atMs: performance.now() };
      if (err) {
        logger.fatal({ err }, "unhandled error, closing");
        hurry.abort();
      }
      await close({ drain: started.signal === "SIGTERM", hurry: hurry.signal });
    },
  );

  const onSignal = (signal: NodeJS.Signals) => {
    if (!started) {
      started = { atMs: performance.now(), signal };
      logger.info({ signal }, "closing");
      end();
    } else if (performance.now() - started.atMs >= SAME_SIGNAL_MS && !hurry.signal.aborted) {
      logger.info({ signal }, "second signal, closing at once");
      hurry.abort();
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
}
