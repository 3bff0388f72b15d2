import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { Reads } from "../../src/scheduler/engine/reads.ts";
import { Waiters } from "../../src/scheduler/engine/waiters.ts";
import { COMPLETED, RUNNING } from "../../src/scheduler/protocol/status.ts";
import { FileHealth } from "../../src/scheduler/storage/file-health.ts";
import { GroupCommit } from "../../src/scheduler/storage/group-commit.ts";
import type { InstanceRow } from "../../src/scheduler/storage/instance-table.ts";
import { MIGRATIONS } from "../../src/scheduler/storage/migrations.ts";
import { Store } from "../../src/scheduler/storage/store.ts";
import { temporaryFolder } from "./support/scheduler.ts";

const INSTANCE: InstanceRow = {
  key: 1,
  hub: 1,
  instanceId: "a",
  executionId: "e",
  generation: 0,
  turn: 0,
  name: "anything",
  version: undefined,
  status: RUNNING,
  awaitsStart: false,
  createdMs: 1,
  updatedMs: 1,
  completedMs: undefined,
  startMs: undefined,
  parent: undefined,
  tags: undefined,
  traceContext: undefined,
  customStatus: undefined,
};

/** Reads over a real file whose first write is being synced; `sync` lets it become durable. */
async function whileSyncing() {
  const db = new DatabaseSync(join(await temporaryFolder(), "reads.db"));
  onTestFinished(() => db.close());
  db.exec(`PRAGMA journal_mode = WAL; ${MIGRATIONS.join(";")}`);
  const store = new Store(db);
  const firstSync = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const health = new FileHealth({
    path: "reads.db",
    checkFile() {},
    isNearlyFull: () => false,
    onUnusable() {},
    onWritable() {},
  });
  const commit = new GroupCommit({
    db,
    sync: () => {
      begun.resolve();
      return firstSync.promise;
    },
    lastId: () => store.lastId,
    onRollback: () => store.instances.forgetAll(),
    health,
  });
  const waiters = new Waiters();
  const created = commit.run(() => store.instances.insert(INSTANCE, '"in"'));
  await begun.promise;
  const finish = () =>
    commit.run((after) => {
      store.instances.setOutcome(INSTANCE.key, '"out"', undefined);
      store.instances.update({ ...INSTANCE, status: COMPLETED, updatedMs: 2, completedMs: 2 });
      after(() => waiters.notify(INSTANCE.key));
    });
  return {
    reads: new Reads(store, commit, waiters, health),
    finish,
    created,
    sync: firstSync.resolve,
  };
}

/** Lets the read begin; the sync continues. */
const nextTick = () => new Promise((resolve) => setImmediate(resolve));

const caller = { cancelled: false, onCancelled: () => () => undefined };

test("a read returns status and payloads of one committed state (SNAPSHOT-2)", async () => {
  const { reads, finish, created, sync } = await whileSyncing();
  const found = reads.find(1, "a", true);
  await nextTick();
  const finished = finish(); // while the read waits for the sync
  sync();
  await Promise.all([created, finished]);
  expect(await found).toMatchObject({
    instance: { status: RUNNING },
    payloads: { input: '"in"', output: undefined },
  });
});

test("a wait returns status and payloads of one committed state (SNAPSHOT-2)", async () => {
  const { reads, finish, created, sync } = await whileSyncing();
  const found = reads.waitFor(1, "a", ({ status }) => status === RUNNING, true, caller);
  await nextTick();
  const finished = finish();
  sync();
  await Promise.all([created, finished]);
  expect(await found).toMatchObject({
    instance: { status: RUNNING },
    payloads: { output: undefined },
  });
});
