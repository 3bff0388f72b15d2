/** Starts and stops the embedded scheduler: opens the file, connects the rooms, serves gRPC. */

import { open } from "node:fs/promises";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { continueFrom } from "./clock.ts";
import { UnregisteredWork } from "./dispatch/unregistered-work.ts";
import { WorkQueue } from "./dispatch/work-queue.ts";
import { Activities } from "./engine/activities.ts";
import { InstanceCommands } from "./engine/commands.ts";
import { Entities } from "./engine/entities.ts";
import { EntityInbox, entityWork } from "./engine/entity-inbox.ts";
import { Lifecycle } from "./engine/lifecycle.ts";
import { startRetention } from "./engine/purge.ts";
import { Reads } from "./engine/reads.ts";
import { Rewind } from "./engine/rewind.ts";
import { Timers } from "./engine/timers.ts";
import { TurnEffects } from "./engine/turn-effects.ts";
import { Turns } from "./engine/turns.ts";
import { Waiters } from "./engine/waiters.ts";
import { type CallGate, taskHubName } from "./grpc/calls.ts";
import { boundDecompression } from "./grpc/request-bounds.ts";
import { createService, serviceDefinition } from "./grpc/service.ts";
import { StatusError } from "./protocol/status-errors.ts";
import type { SchedulerLogger } from "./scheduler-logger.ts";
import { SchedulerStartError } from "./start-error.ts";
import { IN_MEMORY, type OpenDatabase, openDatabase } from "./storage/database.ts";
import { isNearlyFull } from "./storage/database-file.ts";
import { FileHealth } from "./storage/file-health.ts";
import { GroupCommit } from "./storage/group-commit.ts";
import { isSqliteError, openingMessage } from "./storage/storage-errors.ts";
import { Store } from "./storage/store.ts";
import { TaskHubs } from "./storage/task-hubs.ts";

export interface SchedulerOptions {
  /** Where to listen. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** A file, whose folder is created where it is missing; `:memory:` stores nothing. */
  readonly database: string;
  /** The only task hubs that are served. Default: a hub is created when something is first stored in it. */
  readonly taskHubs?: readonly string[];
  /** What acknowledged changes survive. `full`: a power cut. `normal`: a crash of the process. Default `full`. */
  readonly sync?: "full" | "normal";
  /** Days for which a terminal instance is kept. Default 30. */
  readonly retentionDays?: number;
  /** Time a worker has for one orchestrator turn, in milliseconds. Default 5 minutes. */
  readonly turnLeaseMs?: number;
  /** Time a worker has for one activity, in milliseconds. Default 25 hours, since the protocol cannot renew a lease. */
  readonly activityLeaseMs?: number;
  readonly logger: SchedulerLogger;
}

export interface RunningScheduler {
  /** `127.0.0.1:8080` */
  readonly address: string;
  /** Ends the workers' streams, stores the accepted changes and closes the file. */
  close(): Promise<void>;
}

/** @throws SchedulerStartError with a message that says what to do */
export async function startScheduler(options: SchedulerOptions): Promise<RunningScheduler> {
  const database = openDatabase(options.database);
  const { db, path } = database;
  try {
    return await serve(database, options);
  } catch (error) {
    if (db.isOpen) db.close();
    throw isSqliteError(error)
      ? new SchedulerStartError(openingMessage(error, path), { cause: error })
      : error;
  }
}

const RETENTION_DAYS = 30;
const TURN_LEASE_MS = 5 * 60_000;
const ACTIVITY_LEASE_MS = 25 * 3_600_000;

/** How much later than the wall clock the dates of a file may be without a word in the log. */
const MAX_AHEAD_MS = 1000;
/** Time that calls in progress have when the scheduler closes. */
const CLOSE_GRACE_MS = 1000;

const SERVER_OPTIONS = {
  // A worker whose machine is lost is detected within 30 s, and its work goes to other workers.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A worker sends all results of a wide fan-out in one message.
  "grpc.max_receive_message_length": 128 * 1024 * 1024,
  "grpc.max_send_message_length": -1,
};

async function serve(
  { db, path, checkFile }: OpenDatabase,
  options: SchedulerOptions,
): Promise<RunningScheduler> {
  const { logger } = options;
  const store = new Store(db);
  const aheadMs = continueFrom(store.newestDateMs());
  if (aheadMs > MAX_AHEAD_MS) {
    const message = "the file has dates in the future: new ones follow them until the clock does";
    logger.warn({ aheadMs, database: path }, message);
  }
  const log = await openLog(path, options.sync);
  const health = new FileHealth({
    path,
    checkFile,
    isNearlyFull: () => path !== IN_MEMORY && isNearlyFull(path),
    onUnusable: (err) => {
      logger.error({ err, database: path }, "the database cannot be used; all calls are refused");
      timers.close();
      queue.close();
      waiters.close();
    },
    onWritable: (err) => {
      if (err) logger.error({ err, database: path }, "changes cannot be stored; reads are refused");
      else logger.info({ database: path }, "changes are stored again");
    },
  });
  const commit = new GroupCommit({
    db,
    sync: log && (() => log.datasync()),
    lastId: () => store.lastId,
    onRollback: () => store.instances.forgetAll(),
    health,
  });
  const waiters = new Waiters();
  const queue = new WorkQueue({
    turnLeaseMs: options.turnLeaseMs ?? TURN_LEASE_MS,
    activityLeaseMs: options.activityLeaseMs ?? ACTIVITY_LEASE_MS,
    load: (item) => turns.load(item),
  });
  const timers = new Timers({
    nextDueMs: () => store.nextDueMs(),
    fireDue: (nowMs) => commands.fireTimers(nowMs),
    onError: (err) => {
      // FileHealth has already logged that nothing can be stored; any other error is a bug.
      const isKnown = err instanceof StatusError && err.code !== status.INTERNAL;
      logger[isKnown ? "debug" : "error"](
        { err },
        "timers could not be fired; they are tried again",
      );
    },
  });
  const lifecycle = new Lifecycle({
    store,
    queue,
    timers,
    waiters,
    releaseLocks: (after, key) => inbox.releaseLocks(after, key),
  });
  const inbox = new EntityInbox(store, queue, lifecycle);
  const unregistered = new UnregisteredWork(queue, logger);
  const entities = new Entities({ store, commit, queue, lifecycle, timers, inbox, unregistered });
  const effects = new TurnEffects(store, queue, lifecycle, entities);
  const rewind = new Rewind(store, lifecycle, effects);
  const commands = new InstanceCommands({ store, commit, lifecycle, rewind, entities });
  const activities = new Activities({ store, commit, queue, lifecycle, unregistered });
  const turns = new Turns({
    store,
    commit,
    queue,
    lifecycle,
    effects,
    rewind,
    activities,
    entities,
    unregistered,
    health,
  });
  const reads = new Reads(store, commit, waiters, health);
  const hubs = new TaskHubs(store, commit, options.taskHubs);

  const server = new Server({ ...SERVER_OPTIONS, interceptors: [boundDecompression] });
  const gate: CallGate = {
    logger,
    admit: (metadata) => {
      health.assertUsable();
      return hubs.named(taskHubName(metadata));
    },
    failed: (error) => health.failed(error),
  };
  server.addService(
    serviceDefinition,
    createService({ commands, reads, turns, activities, entities, queue, store, gate }),
  );
  const host = options.host ?? "127.0.0.1";
  const port = await listen(server, host, options.port);
  resume(store, queue);
  timers.start();
  const stopRetention = startRetention(
    store,
    commands,
    options.retentionDays ?? RETENTION_DAYS,
    logger,
  );
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  logger.info({ address, database: options.database }, "scheduler listens");

  const stop = async () => {
    stopRetention();
    timers.close();
    queue.close();
    waiters.close();
    await shutDown(server);
    await commit.close();
    await log?.close();
    db.close();
    logger.info({ address }, "scheduler closed");
  };
  let closing: Promise<void> | undefined;
  return {
    address,
    close: () => {
      closing ??= stop();
      return closing;
    },
  };
}

/** Opens the write-ahead log a second time, to sync it. */
async function openLog(path: string, sync: SchedulerOptions["sync"] = "full") {
  return path === IN_MEMORY || sync === "normal" ? undefined : open(`${path}-wal`, "r+");
}

/** Queues the work that an earlier process left unfinished. */
function resume(store: Store, queue: WorkQueue): void {
  for (const { key, hub, name, version } of store.instancesWithMessages()) {
    queue.add({ kind: "turn", hub, instanceKey: key, id: 0, name, version });
  }
  for (const { hub, key, entityId } of store.entities.withMessages()) {
    queue.add(entityWork(hub, key, entityId));
  }
  for (const { hub, instanceKey, id, name, version, ownerVersion } of store.pendingActivities()) {
    queue.add({ kind: "activity", hub, instanceKey, id, name, version, ownerVersion });
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) => {
    if (!error) return resolve(bound);
    const advice = /EADDRINUSE/.test(error.message)
      ? "The port is taken. Stop the process that has it, or choose another port (0 picks a free one)."
      : "Check the host and the port.";
    reject(
      new SchedulerStartError(`Cannot listen on ${target}: ${error.message}. ${advice}`, {
        cause: error,
      }),
    );
  });
  return promise;
}

/** Waits for calls in progress, then cancels the rest. */
async function shutDown(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, CLOSE_GRACE_MS);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(deadline);
}
