import { type Logger, pino } from "pino";
import { startApi } from "../start.ts";
import { type StandAloneOptions, standAloneConfig } from "./options.ts";

/** dts-push with a server of its own. */
export interface RunningDtsPush {
  /** Where it listens: `http://localhost:8000`. */
  readonly url: string;
  /** An operation has changed: it is read now, if it is watched. For a worker in the same process. */
  hint(operationId: string): void;
  /** Disconnects clients with `bye drain`, answers what is under way, and frees the port. */
  close(): Promise<void>;
}

/**
 * Runs dts-push in this process, with a server of its own: what `dts-push api` runs.
 * @param logger where it logs. Default: JSON lines on stdout, of warnings and errors
 * @throws Error where the port is in use, or it would be open to everybody on more than loopback
 */
export async function createDtsPush({
  authenticate,
  logger = pino({ name: "dts-push", level: "warn" }),
  ...options
}: StandAloneOptions & { readonly logger?: Logger } = {}): Promise<RunningDtsPush> {
  const { url, hint, close } = await startApi(standAloneConfig(options), logger, authenticate);
  return { url, hint, close: () => close() };
}
