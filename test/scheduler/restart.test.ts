import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { pb } from "../../src/scheduler/protocol/proto.ts";
import { COMPLETED } from "../../src/scheduler/protocol/status.ts";
import { MIGRATIONS } from "../../src/scheduler/storage/migrations.ts";
import { within } from "../helpers/deadline.ts";
import { complete, createTimer, kinds, RawClient, scheduleTask } from "./support/raw-client.ts";
import { startTestScheduler, temporaryFolder } from "./support/scheduler.ts";

test("instances, pending activities and timers continue after a restart", async () => {
  const first = await startTestScheduler();
  const before = new RawClient(first.address);
  for (const id of ["with-activity", "with-timer", "fresh"]) await before.start(id, id);
  const work = before.work();
  for (let turn = 0; turn < 3; turn += 1) {
    const item = await work.next();
    const id = item.getOrchestratorrequest()?.getInstanceid();
    if (id === "with-activity") await work.completeTurn(item, [scheduleTask(1, "step")]);
    if (id === "with-timer") await work.completeTurn(item, [createTimer(1, Date.now() + 300)]);
  }
  await first.close();

  const { address } = await startTestScheduler({ database: first.database });
  const client = new RawClient(address);
  const again = client.work();
  const finished = new Set<string>();
  while (finished.size < 3) {
    const item = await again.next(`work besides ${[...finished].join(", ")}`);
    if (item.hasActivityrequest()) {
      await again.completeActivity(item, "1");
      continue;
    }
    const request = item.getOrchestratorrequest();
    const id = request?.getInstanceid() ?? "";
    const news = kinds(request?.getNeweventsList() ?? []).slice(1);
    expect(news).toEqual(
      {
        "with-activity": ["TASKCOMPLETED"],
        "with-timer": ["TIMERFIRED"],
        fresh: ["EXECUTIONSTARTED"],
      }[id],
    );
    await again.completeTurn(item, [complete(9, "1")]);
    finished.add(id);
  }
  for (const id of finished) {
    expect((await client.state(id))?.getOrchestrationstatus()).toBe(COMPLETED);
  }
});

test("tokens of an earlier process are invalid (QUEUE-4)", async () => {
  const first = await startTestScheduler();
  const before = new RawClient(first.address);
  await before.start("a");
  const lost = await before.work().next();
  await first.close();
  const { address } = await startTestScheduler({ database: first.database });
  const work = new RawClient(address).work();
  await expect(work.completeTurn(lost, [complete(1, "1")])).rejects.toMatchObject({ code: 9 });
  await work.completeTurn(await work.next(), [complete(1, "1")]);
});

test("a file that another scheduler uses is refused, and the error names it", async () => {
  const { database } = await startTestScheduler();
  await expect(startTestScheduler({ database })).rejects.toThrow(
    /Another process is using it\. Stop that process, or name another file\./,
  );
});

test("a file of a newer version is refused and not changed", async () => {
  const first = await startTestScheduler();
  await first.close();
  const db = new DatabaseSync(first.database);
  db.exec("PRAGMA user_version = 999");
  db.close();
  const before = await readFile(first.database);
  await expect(startTestScheduler({ database: first.database })).rejects.toThrow(
    /newer version of the scheduler \(schema 999/,
  );
  expect(await readFile(first.database)).toEqual(before);
});

test("a file that is no database is refused and not changed", async () => {
  const database = join(await temporaryFolder(), "notes.txt");
  await writeFile(database, "my notes, ".repeat(1000));
  const before = await readFile(database);
  await expect(startTestScheduler({ database })).rejects.toThrow(/it was not changed/);
  expect(await readFile(database)).toEqual(before);
});

test("another program's database is refused", async () => {
  const database = join(await temporaryFolder(), "theirs.db");
  const db = new DatabaseSync(database);
  db.exec("CREATE TABLE theirs (x)");
  db.close();
  const before = await readFile(database);
  await expect(startTestScheduler({ database })).rejects.toThrow(/database of another program/);
  expect(await readFile(database)).toEqual(before);
});

test("a file of an older version is migrated", async () => {
  const database = join(await temporaryFolder(), "old.db");
  const db = new DatabaseSync(database);
  db.exec(`PRAGMA application_id = 0x64747370; ${MIGRATIONS[0]}; PRAGMA user_version = 1`);
  db.close();
  const { address } = await startTestScheduler({ database });
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [complete(1, "1")]);
});

test("the database may be a link, and its folder may be missing", async () => {
  const folder = await temporaryFolder();
  const first = await startTestScheduler({ database: join(folder, "deep", "er", "scheduler.db") });
  await new RawClient(first.address).start("a");
  await first.close();
  const database = join(folder, "link.db");
  await symlink(first.database, database);
  const { address } = await startTestScheduler({ database });
  expect(await new RawClient(address).state("a")).toBeDefined();
});

test("a database in memory needs no file", async () => {
  const { address } = await startTestScheduler({ database: ":memory:" });
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [complete(1, "1")]);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(COMPLETED);
});

test("a taken port is refused with advice", async () => {
  const { address } = await startTestScheduler();
  const port = Number(address.split(":").at(-1));
  await expect(startTestScheduler({ port })).rejects.toThrow(/The port is taken/);
});

test("close ends worker streams and waiting calls", async () => {
  const { address, close } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  await client.work().next();
  const request = new pb.GetInstanceRequest();
  request.setInstanceid("a");
  const waiting = client.call(client.stub.waitForInstanceCompletion, request);
  const refused = expect(waiting).rejects.toMatchObject({ code: 14 }); // UNAVAILABLE
  await client.raiseEvent("a", "answered after the wait has begun");
  await within("end of close", close());
  await refused;
});
