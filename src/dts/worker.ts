import { setTimeout as delay } from "node:timers/promises";
import { InterceptingCall, type Interceptor, Metadata, status } from "@grpc/grpc-js";
import {
  type OrchestrationContext,
  type StructuredLogger,
  type TActivity,
  type Task,
  TaskHubGrpcWorker,
  type TOrchestrator,
} from "@microsoft/durabletask-js";
import type { Logger } from "pino";
import { createBackOff } from "./back-off.ts";
import type { Connection } from "./connection/connection.ts";
import { hintInterceptor } from "./hints/hint-interceptor.ts";
import { createSdkLogger } from "./logger.ts";
import { describeFailure, SchedulerError } from "./scheduler-error.ts";

/** An async generator: the SDK runs these, although its own type differs. */
type Orchestrator = (
  context: OrchestrationContext,
  input: never,
) => AsyncGenerator<Task<unknown>, unknown, never>;

/** The code a worker runs, by the names that orchestrations and activities are called by. */
export interface Registrations {
  readonly orchestrators: Readonly<Record<string, Orchestrator>>;
  readonly activities: Readonly<Record<string, TActivity<never, unknown>>>;
}

export interface RunningWorker {
  /** Settles once the scheduler has accepted the worker for the first time. */
  readonly connected: Promise<void>;
  /** Takes no more work, and waits for what is under way, within bounds. */
  stop(): Promise<void>;
}

export interface WorkerOptions {
  /** How long `stop` waits for work under way; what is not done by then is delivered again. Default 5,000. */
  readonly shutdownMs?: number;
  /** Gets the id of each orchestration whose state has just changed. */
  readonly onChanged?: ((operationId: string) => void) | undefined;
}

/** The SDK's event ids, the same in all its languages. */
const EVENT_WORKER_CONNECTED = 700;
const EVENT_WORKER_ERROR = 701;

const RESTART_MIN_MS = 500;
const RESTART_MAX_MS = 30_000;

/** How long `stop` waits for work under way by default. */
const SHUTDOWN_MS = 5000;

/** The calls that request work; all others report on work that the worker has. */
const ASKS_FOR_WORK = /\/(Hello|GetWorkItems)$/;

/**
 * Runs a worker until it is stopped, and works around two defects of the SDK (0.4.0):
 *   WORKER-1. A worker whose first Hello fails gives up, and only its log shows it. It is replaced,
 *             with back-off; it cannot be started again, because a stopped worker does not
 *             reconnect. Once it was connected, it reconnects by itself.
 *   WORKER-2. A worker stopped while it waits to reconnect still connects, and the work items
 *             that it then receives are lost. After `stop`, its requests for work fail before they
 *             leave the process.
 */
export function startWorker(
  connection: Connection,
  registrations: Registrations,
  logger: Logger,
  { shutdownMs = SHUTDOWN_MS, onChanged }: WorkerOptions = {},
): RunningWorker {
  const connected = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const stopped = aborted(stopping.signal);
  const start = () =>
    startAttempt(connection, registrations, logger, { shutdownMs, onChanged }, connected.resolve);
  let current: Attempt | undefined;

  const supervise = async (): Promise<void> => {
    const backOff = createBackOff({ minMs: RESTART_MIN_MS, maxMs: RESTART_MAX_MS });
    for (;;) {
      current = await start();
      if (stopping.signal.aborted) return;
      const reason = await Promise.race([current.gaveUp, stopped]);
      if (stopping.signal.aborted) return;
      const retryMs = Math.round(backOff.nextMs());
      const failure = describeFailure(reason);
      logger.warn({ reason: reason.message, retryMs }, `worker: the scheduler ${failure}`);
      await current.stop();
      await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
    }
  };
  const supervision = supervise();

  return {
    connected: connected.promise,
    async stop() {
      stopping.abort();
      await supervision;
      await current?.stop();
    },
  };
}

/** One SDK worker, from its start until it gives up or is stopped. */
interface Attempt {
  /** Why the SDK gave up. Never settles once the worker was connected (WORKER-1). */
  readonly gaveUp: Promise<Error>;
  stop(): Promise<void>;
}

async function startAttempt(
  connection: Connection,
  registrations: Registrations,
  logger: Logger,
  { shutdownMs = SHUTDOWN_MS, onChanged }: WorkerOptions,
  onConnected: () => void,
): Promise<Attempt> {
  const gaveUp = Promise.withResolvers<Error>();
  /** The SDK reports its failures as text; this has the gRPC status. */
  let lastFailure: SchedulerError | undefined;
  let wasConnected = false;
  let stopped: Promise<void> | undefined;

  const watchRequestsForWork: Interceptor = (options, nextCall) => {
    const [, rpc] = ASKS_FOR_WORK.exec(options.method_definition.path) ?? [];
    if (rpc === undefined) return new InterceptingCall(nextCall(options));
    if (stopped !== undefined) return refusedCall();
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            const { code, details } = received;
            const cause = Object.assign(new Error(details), { code });
            if (code !== status.OK) lastFailure = new SchedulerError(rpc, cause);
            pass(received);
          },
        }),
    });
  };

  const { hostAddress, options, credentials, metadataGenerator } = connection.for("worker");
  const worker = new TaskHubGrpcWorker({
    hostAddress,
    credentials,
    metadataGenerator,
    shutdownTimeoutMs: shutdownMs,
    // Without filters the scheduler sends any work of the task hub, and what is not registered fails.
    workItemFilters: "auto",
    options: {
      ...options,
      interceptors: [watchRequestsForWork, ...(onChanged ? [hintInterceptor(onChanged)] : [])],
    },
    logger: watchLog(createSdkLogger(logger), (eventId, message) => {
      if (eventId === EVENT_WORKER_CONNECTED) {
        wasConnected = true;
        onConnected();
      }
      // The same event also reports a work item that failed, after the worker was connected.
      if (eventId === EVENT_WORKER_ERROR && !wasConnected) {
        gaveUp.resolve(lastFailure ?? new Error(message));
      }
    }),
  });
  for (const [name, fn] of Object.entries(registrations.orchestrators)) {
    worker.addNamedOrchestrator(name, fn as unknown as TOrchestrator);
  }
  for (const [name, fn] of Object.entries(registrations.activities)) {
    worker.addNamedActivity(name, fn as TActivity<unknown, unknown>);
  }
  await worker.start();
  return {
    gaveUp: gaveUp.promise,
    stop: () => (stopped ??= worker.stop()),
  };
}

/** A call that ends at once, without anything sent. */
function refusedCall(): InterceptingCall {
  const unused = { start() {}, cancelWithStatus() {}, sendMessageWithContext() {} };
  return new InterceptingCall(unused as never, {
    start: (_metadata, listener) =>
      listener.onReceiveStatus({
        code: status.CANCELLED,
        details: "The worker is stopped",
        metadata: new Metadata(),
      }),
    sendMessage: () => undefined,
    halfClose: () => undefined,
    cancel: () => undefined,
  });
}

function watchLog(
  logger: StructuredLogger,
  onEvent: (eventId: number, message: string) => void,
): StructuredLogger {
  return {
    ...logger,
    logEvent(level, event, message) {
      onEvent(event.eventId, message);
      logger.logEvent(level, event, message);
    },
  };
}

function aborted(signal: AbortSignal): Promise<Error> {
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(new Error("stopped")), { once: true }),
  );
}
