import { copyFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { expect, onTestFinished, test, vi } from "vitest";
import { watchFiles } from "../../src/scheduler/storage/database-file.ts";
import { FileHealth } from "../../src/scheduler/storage/file-health.ts";
import { GroupCommit } from "../../src/scheduler/storage/group-commit.ts";
import { temporaryFolder } from "./support/scheduler.ts";

/** A GroupCommit over a real file, whose syncs are completed by the test. */
async function openCommit() {
  const file = join(await temporaryFolder(), "group.db");
  const db = new DatabaseSync(file);
  onTestFinished(() => db.close());
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)");
  const insert = db.prepare("INSERT INTO notes VALUES (?)");
  const syncs: PromiseWithResolvers<void>[] = [];
  const sync = () => {
    const pending = Promise.withResolvers<void>();
    syncs.push(pending);
    return pending.promise;
  };
  const nextSync = async () => {
    while (syncs.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return syncs.shift() as PromiseWithResolvers<void>;
  };
  const reports: string[] = [];
  const disk = { isNearlyFull: false };
  const health = new FileHealth({
    path: file,
    checkFile: watchFiles(file),
    isNearlyFull: () => disk.isNearlyFull,
    onUnusable: () => reports.push("unusable"),
    onWritable: (error) => reports.push(error ? "not writable" : "writable"),
  });
  const commit = new GroupCommit({ db, sync, lastId: () => 0, onRollback() {}, health });
  const notes = () =>
    db
      .prepare("SELECT text FROM notes")
      .all()
      .map((row) => row.text);
  /** The rows that another process would see. */
  const committed = () => {
    const other = new DatabaseSync(file, { readOnly: true });
    const rows = other
      .prepare("SELECT text FROM notes")
      .all()
      .map((row) => row.text);
    other.close();
    return rows;
  };
  return {
    db,
    commit,
    nextSync,
    syncs,
    notes,
    committed,
    reports,
    disk,
    file,
    write: (text: string) => insert.run(text),
  };
}

test("work settles after the sync, and one sync serves a whole group (COMMIT-1)", async () => {
  const { commit, nextSync, syncs, write, committed } = await openCommit();
  const settled: string[] = [];
  const all = ["a", "b", "c"].map((text) =>
    commit.run(() => write(text)).then(() => settled.push(text)),
  );
  const sync = await nextSync();
  expect(committed()).toEqual(["a", "b", "c"]);
  expect(settled).toEqual([]);
  sync.resolve();
  await Promise.all(all);
  expect(settled).toEqual(["a", "b", "c"]);
  expect(syncs).toEqual([]);
});

test("work that throws leaves no change and does not affect its group (COMMIT-2)", async () => {
  const { commit, nextSync, write, committed } = await openCommit();
  const good = commit.run(() => write("good"));
  const bad = commit.run(() => {
    write("bad");
    throw new Error("changed its mind");
  });
  await expect(bad).rejects.toMatchObject({ code: status.INTERNAL });
  (await nextSync()).resolve();
  await good;
  expect(committed()).toEqual(["good"]);
});

test("effects happen after the sync, in the order of the work, and not for work that threw (COMMIT-3)", async () => {
  const { commit, nextSync, write } = await openCommit();
  const effects: string[] = [];
  const first = commit.run((after) => {
    write("1");
    after(() => effects.push("first"));
  });
  const bad = commit.run((after) => {
    after(() => effects.push("never"));
    throw new Error("no");
  });
  const second = commit.run((after) => after(() => effects.push("second")));
  await expect(bad).rejects.toThrow();
  const sync = await nextSync();
  expect(effects).toEqual([]);
  sync.resolve();
  await Promise.all([first, second]);
  expect(effects).toEqual(["first", "second"]);
});

test("work may have more effects than a call can have arguments (COMMIT-3)", async () => {
  const { commit, nextSync, write } = await openCommit();
  let effects = 0;
  const wide = commit.run((after) => {
    write("wide");
    for (let n = 0; n < 300_000; n += 1) {
      after(() => {
        effects += 1;
      });
    }
  });
  (await nextSync()).resolve();
  await wide;
  expect(effects).toBe(300_000);
});

test("the next group fills while one is synced (COMMIT-4)", async () => {
  const { commit, nextSync, write, committed } = await openCommit();
  const first = commit.run(() => write("first"));
  const sync = await nextSync();
  const second = commit.run(() => write("second"));
  expect(committed()).toEqual(["first"]);
  sync.resolve();
  await first;
  (await nextSync()).resolve();
  await second;
  expect(committed()).toEqual(["first", "second"]);
});

test("after a failed sync nothing is accepted any more (COMMIT-5)", async () => {
  const { commit, nextSync, write } = await openCommit();
  const first = commit.run(() => write("first"));
  const sync = await nextSync();
  const second = commit.run(() => write("second"));
  sync.reject(new Error("EIO"));
  const refused = {
    code: status.UNAVAILABLE,
    message: expect.stringContaining("could not be synced (EIO)"),
  };
  await expect(first).rejects.toMatchObject(refused);
  await expect(second).rejects.toMatchObject(refused);
  await expect(commit.run(() => write("third"))).rejects.toMatchObject(refused);
  await expect(commit.assertWritable()).rejects.toMatchObject(refused);
});

test("a full disk changes nothing, is named in the error, and writes succeed once there is space", async () => {
  const { db, commit, nextSync, write, notes, reports } = await openCommit();
  const pages = Number(db.prepare("PRAGMA page_count").get()?.page_count);
  db.exec(`PRAGMA max_page_count = ${pages + 4}`);
  const small = commit.run(() => write("small"));
  (await nextSync()).resolve();
  await small;
  const effects: string[] = [];
  const large = commit.run((after) => {
    for (let n = 0; n < 100; n += 1) write("x".repeat(4096));
    after(() => effects.push("large"));
  });
  await expect(large).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    message: expect.stringContaining("disk is full"),
  });
  expect(notes()).toEqual(["small"]);
  expect(reports).toEqual(["not writable"]);
  db.exec("PRAGMA max_page_count = 1000000");
  const next = commit.run(() => write("next"));
  (await nextSync()).resolve();
  await next;
  expect(notes()).toEqual(["small", "next"]);
  expect(effects).toEqual([]);
});

test("reads are refused while nothing can be stored, until a trial write succeeds (FILE-2)", async () => {
  const { db, commit, nextSync, write, reports } = await openCommit();
  await commit.assertWritable();
  db.exec("PRAGMA max_page_count = 1");
  const refused = commit.run(() => write("x".repeat(10_000)));
  await expect(refused).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  // A trial write needs no new page, so here it has to be refused by other means.
  db.exec("PRAGMA query_only = 1");
  await expect(commit.assertWritable()).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    message: expect.stringContaining("Nothing can be stored at the moment"),
  });
  await expect(commit.assertWritable()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  db.exec("PRAGMA query_only = 0; PRAGMA max_page_count = 1000000");
  const trial = (async () => (await nextSync()).resolve())();
  await vi.waitFor(() => commit.assertWritable(), { timeout: 10_000, interval: 20 });
  await trial;
  expect(reports).toEqual(["not writable", "writable"]);
});

test("reads are refused on a full disk even if nothing was written (FILE-2)", async () => {
  const { db, commit, disk } = await openCommit();
  disk.isNearlyFull = true;
  db.exec("PRAGMA query_only = 1"); // every write fails
  await expect(commit.assertWritable()).rejects.toMatchObject({ code: status.UNAVAILABLE });
});

test("reads are served on a nearly full disk while trial writes succeed (FILE-2)", async () => {
  const { commit, nextSync, disk, reports } = await openCommit();
  disk.isNearlyFull = true;
  const allowed = commit.assertWritable();
  (await nextSync()).resolve();
  await allowed;
  expect(reports).toEqual([]);
});

test.each(["deleted", "replaced"])(
  "after the file was %s nothing is accepted any more (COMMIT-5, FILE-1)",
  async (what) => {
    const { commit, nextSync, write, file, reports } = await openCommit();
    const first = commit.run(() => write("first"));
    (await nextSync()).resolve();
    await first;
    if (what === "deleted") await rm(file);
    else {
      await copyFile(file, `${file}.copy`);
      await rename(`${file}.copy`, file);
    }
    const lost = commit.run(() => write("lost"));
    const refused = expect(lost).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      message: expect.stringContaining(`${file} was deleted or replaced`),
    });
    (await nextSync()).resolve();
    await refused;
    await expect(commit.run(() => write("more"))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
    await expect(commit.assertWritable()).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(reports).toEqual(["unusable"]);
  },
);
