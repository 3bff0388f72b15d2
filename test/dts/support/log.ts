import { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import { eventually } from "../../helpers/deadline.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was logged.
export type LogLine = Record<string, any>;

/** A logger whose lines a test can read. */
export function startLog(level = "debug"): {
  readonly logger: Logger;
  readonly lines: LogLine[];
  /** Waits for a line with this message. */
  logged(message: RegExp): Promise<LogLine>;
  /** Waits for a line with these fields. */
  found(fields: LogLine): Promise<LogLine>;
} {
  const lines: LogLine[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trim().split("\n")) lines.push(JSON.parse(line) as LogLine);
      done();
    },
  });
  return {
    logger: pino({ level }, stream),
    lines,
    logged: (message) =>
      eventually(`a log line ${message}`, () => lines.find(({ msg }) => message.test(msg))),
    found: (fields) =>
      eventually(`a log line with ${JSON.stringify(fields)}`, () =>
        lines.find((line) => Object.entries(fields).every(([key, value]) => line[key] === value)),
      ),
  };
}
