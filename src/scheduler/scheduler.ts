/** Starts and stops the embedded scheduler: file, engine, gRPC server. */

import { open } from "node:fs/promises";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { UnregisteredWork } from "./dispatch/unregistered-work.ts";
import { WorkQueue } from "./dispatch/work-queue.ts";
import { Engine } from "./engine/commands.ts";
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
import { boundDecompression, createService, serviceDefinition } from "./grpc/service.ts";
import { SchedulerError } from "./protocol/status-errors.ts";
import type { SchedulerLogger } from "./scheduler-logger.ts";
import { SchedulerStartError } from "./start-error.ts";
import { IN_MEMORY, type OpenDatabase, openDatabase } from "./storage/database.ts";
import { isShortOfRoom } from "./storage/database-file.ts";
import { GroupCommit } from "./storage/group-commit.ts";
import { isSqliteError, openingMessage } from "./storage/storage-errors.ts";
import { Store } from "./storage/store.ts";
import { TaskHubs } from "./storage/task-hubs.ts";

export interface SchedulerOptions {
  /** Where to listen. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** A file, whose folder is created, or `:memory:`, which keeps nothing. */
  readonly database: string;
  /** The only task hubs there are. Default: a hub appears on first use. */
  readonly taskHubs?: readonly string[];
  /** `full`: what was acknowledged survives a power cut; `normal`: a crash of the process only. Default `full`. */
  readonly sync?: "full" | "normal";
  /** Days that an instance is kept after its end. Default 30. */
  readonly retentionDays?: number;
  /** How long a worker may take for one orchestrator turn, in milliseconds. Default 5 minutes. */
  readonly turnLeaseMs?: number;
  /** How long a worker may take for one activity, in milliseconds. Default 25 hours: the protocol has no renewal. */
  readonly activityLeaseMs?: number;
  readonly logger: SchedulerLogger;
}

export interface RunningScheduler {
  /** `127.0.0.1:8080` */
  readonly address: string;
  /** Ends the workers' streams, stores what was accepted and closes the file. */
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

/** How long calls in progress may take to end when the scheduler closes. */
const CLOSE_GRACE_MS = 1000;

const SERVER_OPTIONS = {
  // A worker whose machine is gone is noticed, and its work given to others, within half a minute.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // Results of a wide fan-out come in one message.
  "grpc.max_receive_message_length": 128 * 1024 * 1024,
  "grpc.max_send_message_length": -1,
};

async function serve(
  { db, path, checkFile }: OpenDatabase,
  options: SchedulerOptions,
): Promise<RunningScheduler> {
  const { logger } = options;
  const store = new Store(db);
  const log = await openLog(path, options.sync);
  const commit = new GroupCommit({
    db,
    path,
    sync: log && (() => log.datasync()),
    lastId: () => store.lastId,
    onRollback: () => store.instances.forgetAll(),
    checkFile,
    isShortOfRoom: () => path !== IN_MEMORY && isShortOfRoom(path),
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
  const waiters = new Waiters();
  const queue = new WorkQueue({
    turnLeaseMs: options.turnLeaseMs ?? TURN_LEASE_MS,
    activityLeaseMs: options.activityLeaseMs ?? ACTIVITY_LEASE_MS,
    load: (item) => turns.load(item),
  });
  const timers = new Timers({
    nextDueMs: () => store.nextDueMs(),
    fireDue: (nowMs) => engine.fireTimers(nowMs),
    onError: (err) => {
      // The commit has logged that nothing can be stored; any other error is a fault of ours.
      const isKnown = err instanceof SchedulerError && err.code !== status.INTERNAL;
      logger[isKnown ? "debug" : "error"]({ err }, "timers could not be fired; trying again");
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
  const engine = new Engine({ store, commit, lifecycle, rewind, entities });
  const turns = new Turns({
    store,
    commit,
    queue,
    lifecycle,
    effects,
    rewind,
    entities,
    unregistered,
  });
  const reads = new Reads(store, commit, waiters);
  const hubs = new TaskHubs(store, commit, options.taskHubs);

  const server = new Server({ ...SERVER_OPTIONS, interceptors: [boundDecompression] });
  const gate: CallGate = {
    logger,
    admit: (metadata) => {
      commit.assertUsable();
      return hubs.named(taskHubName(metadata));
    },
    failed: (error) => commit.failed(error),
  };
  server.addService(
    serviceDefinition,
    createService({ engine, reads, turns, entities, queue, store, gate }),
  );
  const host = options.host ?? "127.0.0.1";
  const port = await listen(server, host, options.port);
  resume(store, queue);
  timers.start();
  const stopRetention = startRetention(
    store,
    engine,
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

/** The write-ahead log, which is what has to be synced; SQLite has it open too. */
async function openLog(path: string, sync: SchedulerOptions["sync"] = "full") {
  return path === IN_MEMORY || sync === "normal" ? undefined : open(`${path}-wal`, "r+");
}

/** What a former process left unfinished goes on by itself. */
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

/** Lets calls in progress end, then ends those that do not. */
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
