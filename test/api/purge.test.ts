import { expect, test } from "vitest";
import { purgeMatching } from "../../src/api/routes/control/purge-matching.ts";
import type { InstanceQuery } from "../../src/dts/instance-query.ts";
import { SchedulerError } from "../../src/dts/scheduler-error.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* Removing operations whose worker knows nothing of this API. */

const stack = useSharedStack();
useForeignWorker(stack);
const api = () => client(stack);

const remove = (path: string, headers: Record<string, string> = {}) =>
  fetch(api().at(path), { method: "DELETE", headers });

async function purged(query: string): Promise<unknown> {
  const response = await remove(`/api/operations?${query}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
}

/** Starts operations and waits until they are in their last status. */
async function end(ids: readonly string[], name = "echo", status = "Completed"): Promise<void> {
  for (const operation_id of ids) await api().started({ name, operation_id });
  for (const id of ids) await api().reaches(id, status);
}

test("a terminal operation is removed with its history", async () => {
  await end(["one"]);
  const response = await remove("/api/operations/one");
  expect([response.status, await response.text()]).toEqual([204, ""]);
  expect(await api().read("one")).toBeUndefined();
  await problemOf(await remove("/api/operations/one"), 404, "operation-not-found");
});

test("an active operation is not: 409", async () => {
  await api().started({ name: "wait", operation_id: "active" });
  await api().reaches("active", "RUNNING");
  const problem = await problemOf(await remove("/api/operations/active"), 409, "wrong-state");
  expect(problem).toMatchObject({ operation_id: "active", operation_status: "RUNNING" });
  expect(await api().read("active")).toBeDefined();
});

test("an id that a path cannot carry is removed by the query", async () => {
  await end(["a/.."]);
  const response = await remove("/api/operations?operation_id=a%2F..", {
    "content-type": "application/json",
  });
  expect(response.status).toBe(204);
  expect(await api().read("a/..")).toBeUndefined();
});

test("a feed drops what is removed here", async () => {
  await end(["dropped-1", "dropped-2"]);
  const feed = await SseClient.connect(api().at("/api/events?prefix=dropped-"));
  for (const _ of [1, 2]) await feed.nextState();
  await remove("/api/operations/dropped-1");
  const fresh = await SseClient.connect(api().at("/api/events?prefix=dropped-"));
  expect((await fresh.nextState()).data.operation.operation_id).toBe("dropped-2");
});

test("a filter removes exactly what matches and is terminal", async () => {
  await end(["many-1", "many-2", "many-3"]);
  await end(["many-failed"], "fail", "Failed");
  await end(["other-1"]);
  await api().started({ name: "wait", operation_id: "many-active" });
  await api().reaches("many-active", "RUNNING");
  const before = (await api().read("many-3")).created_at;
  expect(await purged("prefix=many-&status=TERMINATED")).toEqual({ deleted: 0, complete: true });
  expect(await purged(`prefix=many-&status=Completed&created_before=${before}`)).toEqual({
    deleted: 2,
    complete: true,
  });
  expect(await purged(`prefix=many-&created_after=${before}`)).toEqual({
    deleted: 2,
    complete: true,
  });
  for (const id of ["many-1", "many-2", "many-3", "many-failed"]) {
    expect(await api().read(id), id).toBeUndefined();
  }
  for (const id of ["many-active", "other-1"]) expect(await api().read(id), id).toBeDefined();
  expect(await purged("prefix=other-&status=Completed&status=Failed")).toMatchObject({
    deleted: 1,
  });
});

test("without a filter, or with one that is none, nothing is removed", async () => {
  await end(["kept"]);
  for (const query of [
    "",
    "prefix=",
    "status=RUNNING",
    "status=completed",
    "created_before=yesterday",
    "created_before=2026-12-31T23:59:60Z",
    "name=echo",
    "prefix=@",
    "operation_id=kept&status=Completed",
    "operation_id=kept&operation_id=kept",
  ]) {
    await problemOf(await remove(`/api/operations?${query}`), 400, "invalid-query", query);
  }
  await problemOf(await remove("/api/operations?operation_id="), 400, "invalid-operation-id");
  expect(await api().read("kept")).toBeDefined();
});

/** Terminal instances in memory, of which a page has up to two. */
function inMemory(ids: readonly string[], isPurged: (id: string) => boolean = () => true) {
  const left = [...ids];
  return {
    left,
    permit: async () => undefined,
    queryInstances: async ({ pageToken }: InstanceQuery) => {
      const from = Number(pageToken ?? 0);
      const instances = left.slice(from, from + 2).map((id) => ({ id }));
      const nextPageToken = left.length > from + 2 ? String(from + 2) : undefined;
      return { instances: instances as never, nextPageToken, payloadLength: 0 };
    },
    purge: async (id: string) => {
      if (!isPurged(id)) return false;
      left.splice(left.indexOf(id), 1);
      return true;
    },
  };
}

test("tokens that count instances hide none, and what cannot be removed is passed over (PURGE-2)", async () => {
  const ids = ["@entity@1", "a", "b", "stuck-1", "stuck-2", "c", "d", "e"];
  const purging = inMemory(ids, (id) => !id.startsWith("stuck"));
  expect(await purgeMatching(purging, {})).toEqual({ deleted: 5, complete: true });
  expect(purging.left).toEqual(["@entity@1", "stuck-1", "stuck-2"]);
});

test("one call removes a bounded number, and says that there are more (PURGE-1)", async () => {
  const purging = inMemory(Array.from({ length: 200 }, (_, index) => `op-${index}`));
  const first = await purgeMatching(purging, {});
  expect(first.complete).toBe(false);
  expect(first.deleted).toBeGreaterThan(0);
  let deleted = first.deleted;
  for (let complete: boolean = first.complete; !complete; ) {
    const next = await purgeMatching(purging, {});
    deleted += next.deleted;
    complete = next.complete;
  }
  expect([deleted, purging.left]).toEqual([200, []]);
});

test("a failure after some were removed is an incomplete answer, and one before it a failure", async () => {
  const failing = () => Promise.reject(new SchedulerError("PurgeInstances", { code: 14 }));
  const purging = inMemory(["a", "b", "c", "d"]);
  const { purge } = purging;
  purging.purge = (id) => (id === "d" ? failing() : purge(id));
  expect(await purgeMatching(purging, {})).toEqual({ deleted: 3, complete: false });
  await expect(purgeMatching(purging, {})).rejects.toMatchObject({ kind: "unavailable" });
});
