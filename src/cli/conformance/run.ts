import type { Check } from "./check.ts";
import { CHECKS } from "./checks.ts";
import { Failure, Skipped } from "./expect.ts";
import { Server } from "./server.ts";
import { type Orchestration, TestOperations } from "./test-operations.ts";

export interface ConformanceOptions {
  readonly url: URL;
  readonly token?: string | undefined;
  /** What the checks start. It has to end by itself within `timeoutMs`. */
  readonly orchestration?: Orchestration;
  /** Only checks whose names contain this. */
  readonly only?: string | undefined;
  /** Time for each check. Default: 30 s. */
  readonly timeoutMs?: number | undefined;
  /** Ends the run. */
  readonly signal?: AbortSignal;
}

export type Outcome = "pass" | "fail" | "skip";

export interface Result {
  /** `<area>: <behaviour>` */
  readonly name: string;
  readonly outcome: Outcome;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** The checks cannot begin. */
export class NotCheckableError extends Error {
  override readonly name = "NotCheckableError";
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** Time for the first answer. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * Checks whether a server does what docs/PROTOCOL.md promises. Operations that it starts are purged at the end.
 * @throws NotCheckableError if no check matches, or the server is no dts-push server or refuses the credential
 * @throws TypeError if there is no answer
 */
export async function* checkConformance(options: ConformanceOptions): AsyncGenerator<Result, void> {
  const { token, only = "", timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const url = new URL(options.url);
  url.pathname = url.pathname.replace(/\/?$/, "/");
  const checks = CHECKS.filter(({ name }) => name.includes(only));
  if (checks.length === 0) throw new NotCheckableError(`There is no check "${only}".`);

  /** Gives `use` a server whose requests, streams and sockets end with it, or fail when the time is up. */
  const withServer = async <T>(
    use: (server: Server) => Promise<T>,
    withinMs = timeoutMs,
    ends = options.signal ? [options.signal] : [],
  ): Promise<T> => {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...ends]);
    const server = new Server({ url, token, signal });
    const timer = setTimeout(() => {
      stop.abort(new Failure(`waited ${withinMs} ms in vain for ${server.waitingFor}`));
    }, withinMs);
    try {
      return await use(server);
    } finally {
      clearTimeout(timer);
      stop.abort(new Failure("the check is over"));
    }
  };

  await withServer(expectServer, ANSWER_WITHIN_MS);
  const operations = new TestOperations(options.orchestration ?? {});
  try {
    await withServer((server) => operations.prepare(server)).catch(() => undefined);
    for (const check of checks) {
      const run = (server: Server) => check.run({ server, operations });
      const result = await resultOf(check, () => withServer(run));
      options.signal?.throwIfAborted(); // Then the check has not failed.
      yield result;
    }
  } finally {
    // Also when the run was ended.
    await withServer((server) => operations.cleanUp(server), timeoutMs, []).catch(() => undefined);
  }
}

/** @throws NotCheckableError */
async function expectServer(server: Server): Promise<void> {
  const { status, body } = await server.request("api/caller").catch((error: Error) => {
    if (error instanceof TypeError) throw error;
    throw new NotCheckableError(`It is no dts-push server: ${error.message}`);
  });
  if (status === 200 && Array.isArray(body.scopes)) return;
  const { detail = "it is no dts-push server" } = body;
  throw new NotCheckableError(`The server answers ${status}: ${detail}`);
}

async function resultOf({ name }: Check, run: () => Promise<void>): Promise<Result> {
  try {
    await run();
    return { name, outcome: "pass" };
  } catch (error) {
    const { message, cause } = error as Error;
    // What fetch throws when there is no answer says why in its cause.
    const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
    return { name, outcome: error instanceof Skipped ? "skip" : "fail", reason };
  }
}
