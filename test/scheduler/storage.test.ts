/** What happens when the file cannot be created, is damaged, or disappears. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, open, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { pb } from "../../src/scheduler/protocol/proto.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { complete, RawClient } from "./support/raw-client.ts";
import { silentLogger, startTestScheduler, temporaryFolder } from "./support/scheduler.ts";

const PAGE_BYTES = 4096;

/** A file with some finished instances. */
async function fillFile(): Promise<string> {
  const { address, database, close } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  for (let n = 0; n < 50; n += 1) {
    await client.start(`i${n}`);
    await work.completeTurn(await work.next(), [complete(1, "1")]);
  }
  await close();
  return database;
}

/** Overwrites every page but the first, which names the file's owner and version. */
async function damage(database: string): Promise<void> {
  const file = await open(database, "r+");
  const { size } = await file.stat();
  expect(size).toBeGreaterThan(4 * PAGE_BYTES);
  await file.write(Buffer.alloc(size - PAGE_BYTES, 0x5a), 0, size - PAGE_BYTES, PAGE_BYTES);
  await file.close();
}

/** Starts a scheduler in a process of its own, since a start that never returns would block this one. */
async function startInProcess(database: string): Promise<string> {
  const source = new URL("../../src/scheduler/scheduler.ts", import.meta.url).href;
  const code = `
    const { startScheduler } = await import(${JSON.stringify(source)});
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const options = { port: 0, database: process.argv[1], logger };
    await startScheduler(options).catch((error) => console.log(error.message));
    process.exit();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code, database]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  await within("end of a start that must fail", once(child, "close"));
  return output;
}

test.runIf(process.platform === "linux")(
  "a file in a folder that cannot be created is refused at once",
  async () => {
    expect(await startInProcess("/proc/nope/x.db")).toMatch(
      /Cannot open .*\/proc\/nope\/x\.db: .*Check that the folder exists/,
    );
  },
);

test("damage inside the file is found at start; the error has the path, and the file is not changed", async () => {
  const database = await fillFile();
  await damage(database);
  const before = await readFile(database);
  await expect(startTestScheduler({ database })).rejects.toThrow(
    `Cannot open the scheduler's database ${database}`,
  );
  await expect(startTestScheduler({ database })).rejects.toThrow(
    /it was not changed\. Restore it from a copy, or name another file/,
  );
  expect(await readFile(database)).toEqual(before);
});

test("a damaged file with the log of a crashed process is not changed", async () => {
  const running = await startTestScheduler({ database: await fillFile() });
  await new RawClient(running.address).start("in the log");
  const database = join(await temporaryFolder(), "crashed.db");
  await copyFile(running.database, database); // both as kill -9 would leave them
  await copyFile(`${running.database}-wal`, `${database}-wal`);
  await damage(database);
  const files = () => Promise.all([readFile(database), readFile(`${database}-wal`)]);
  const before = await files();
  await expect(startTestScheduler({ database })).rejects.toThrow(/it was not changed/);
  expect(await files()).toEqual(before);
});

test("damage found while running makes all calls fail, with the path (FILE-1)", async () => {
  const errors: string[] = [];
  const logger = {
    ...silentLogger,
    error: (_: object, message: string) => void errors.push(message),
  };
  const database = await fillFile();
  const { address } = await startTestScheduler({ database, logger });
  const client = new RawClient(address);
  await damage(database);
  await expect(client.history("i1")).rejects.toMatchObject({
    code: status.DATA_LOSS,
    details: expect.stringContaining(`${database} is damaged`),
  });
  await expect(client.start("new")).rejects.toMatchObject({ code: status.DATA_LOSS });
  await expect(client.state("i1")).rejects.toMatchObject({ code: status.DATA_LOSS });
  expect(errors).toEqual(["the database cannot be used; all calls are refused"]);
});

test("after the file was deleted, starts, reads and workers are refused (FILE-1)", async () => {
  const { address, database } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.next();
  for (const name of await readdir(dirname(database))) await rm(join(dirname(database), name));
  const deleted = {
    code: status.UNAVAILABLE,
    details: expect.stringContaining("was deleted or replaced while it was in use"),
  };
  await expect(client.start("b")).rejects.toMatchObject(deleted);
  await expect(client.state("a")).rejects.toMatchObject(deleted);
  await within("end of the worker's stream", work.ended);
  await expect(
    client.call(client.stub.queryInstances, new pb.QueryInstancesRequest()),
  ).rejects.toMatchObject(deleted);
});

test("reads fail after the file was deleted, without any write (SNAPSHOT-3)", async () => {
  const { address, database } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  await rm(database);
  await eventually("refused read", () =>
    client.state("a").then(
      () => false,
      ({ code }) => code === status.UNAVAILABLE,
    ),
  );
});
