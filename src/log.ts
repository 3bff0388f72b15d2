import type { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import type { LogLevel } from "./config.ts";

/** Unwritten bytes of the log beyond which further lines are dropped. */
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;

/** The log of this process, and plain text for the person who started it. */
export interface Log {
  readonly logger: Logger;
  print(text: string): void;
  /** Resolves when everything is written, or after `withinMs`. */
  flush(withinMs: number): Promise<void>;
}

/**
 * The log on stdout, which can never harm the service:
 *   LOG-1. A line that cannot be written is lost: the disk is full, or the reader of the pipe has
 *          gone or has stalled. Nothing fails and nothing waits. pino's own destination would end
 *          the process at the first error and repeat the write for ever when the process exits.
 *   LOG-2. The first loss is reported on stderr. Once lines can be written again, one of them
 *          reports how many were lost.
 */
export function createLog(
  level: LogLevel,
  out: Writable = process.stdout,
  errorOut: Writable = process.stderr,
): Log {
  let lost = 0;
  let reported = false;

  const lose = (reason: string) => {
    lost += 1;
    if (reported) return;
    reported = true;
    errorOut.write(
      `dts-push cannot write its log (${reason}). It continues; log lines are lost.\n`,
    );
  };
  const onWritten = (error: NodeJS.ErrnoException | null | undefined) => {
    if (error) lose(error.code ?? error.message);
    else if (lost > 0) {
      const lines = lost;
      lost = 0;
      logger.warn({ lines }, "log lines were lost");
    }
  };
  const write = (line: string) => {
    if (out.writableLength > MAX_UNWRITTEN_BYTES) lose("its reader has stalled");
    else out.write(line, onWritten);
  };

  // The callbacks of the writes report these errors; without a listener they would end the process.
  out.on("error", () => undefined);
  errorOut.on("error", () => undefined);
  const logger = pino({ level }, { write });
  return {
    logger,
    print: write,
    async flush(withinMs) {
      if (out.writableLength === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, withinMs);
      out.write("", () => resolve());
      await promise;
      clearTimeout(timer);
    },
  };
}
