import { expect, test } from "vitest";
import { idOfKey } from "../../src/api/request/idempotency-key.ts";
import { startTestApi } from "../helpers/stack.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client, type Started, send } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();
useForeignWorker(stack);
const api = () => client(stack);

const withKey = (key: string) => ({ "idempotency-key": key });
const replayed = (response: Response) => response.headers.get("idempotency-replayed");

async function idOf(response: Response): Promise<string> {
  expect(response.status, await response.clone().text()).toBe(202);
  return ((await response.json()) as Started).operation_id;
}

test("the same key and body is the same operation, however often, and also after its end (START-1)", async () => {
  const body = { name: "echo", input: { a: 1 }, version: "1", tags: { b: "2", a: "1" } };
  const first = await api().start(body, withKey("order-17"));
  expect(replayed(first)).toBeNull();
  const id = await idOf(first);
  await api().reaches(id, "Completed");
  const { created_at } = await api().read(id);
  for (const key of ["order-17", '"order-17"', ' "order-17" ']) {
    const again = await api().start({ ...body, tags: { a: "1", b: "2" } }, withKey(key));
    expect([await idOf(again), replayed(again)], key).toEqual([id, "true"]);
    expect(again.headers.get("location")).toBe(`/api/operations/${id}`);
  }
  expect((await api().read(id)).created_at).toBe(created_at);
  const other = await api().start(body, withKey("order-18"));
  expect([(await idOf(other)) === id, replayed(other)]).toEqual([false, null]);
});

test("the key counts for one orchestration, and any other body for it is 422", async () => {
  const body = {
    name: "wait",
    input: 1,
    version: "1",
    tags: { a: "1" },
    start_at: "2030-01-01T00:00:00Z",
  };
  const id = await idOf(await api().start(body, withKey("reused")));
  for (const change of [
    { input: 2 },
    { input: undefined },
    { version: "2" },
    { version: undefined },
    { tags: { a: "2" } },
    { tags: { a: "1", b: "2" } },
    { tags: undefined },
    { start_at: "2031-01-01T00:00:00Z" },
  ]) {
    const response = await api().start({ ...body, ...change }, withKey("reused"));
    const what = JSON.stringify(change);
    const problem = await problemOf(response, 422, "idempotency-key-reused", what);
    expect(problem.operation_id, what).toBe(id);
  }
  const other = await api().start({ ...body, name: "echo" }, withKey("reused"));
  expect([(await idOf(other)) === id, replayed(other)]).toEqual([false, null]);
});

test("a replay waits and streams as the first request would have", async () => {
  const body = { name: "echo", input: 1 };
  await idOf(await api().start(body, withKey("followed")));
  const waited = await api().start(body, { ...withKey("followed"), prefer: "wait=60" });
  expect([waited.status, replayed(waited)]).toEqual([200, "true"]);
  const streamed = await api().start(body, { ...withKey("followed"), accept: "text/event-stream" });
  expect([streamed.status, replayed(streamed)]).toEqual([200, "true"]);
  const text = await streamed.text();
  expect(text).toContain('"status":"Completed"');
  expect(text).toContain('"reason":"terminal"');
});

test("the sample's start takes keys, and its input follows from the id", async () => {
  const start = (body: object) => send(api().at("/api/start-operation"), body, withKey("sample"));
  const id = await idOf(await start({ processing_time: 1 }));
  const again = await start({ processing_time: 1 });
  expect([await idOf(again), replayed(again)]).toEqual([id, "true"]);
  await problemOf(await start({ processing_time: 2 }), 422, "idempotency-key-reused");
});

test("a key is 1 to 255 printable characters, plain or quoted, and no operation_id stands beside it", async () => {
  const body = { name: "echo" };
  for (const key of ["", '""', '"', '"a', 'a"b', "a b", "a,b", "a;b", '"a";b=1', '"a\\b"', "é"]) {
    await problemOf(await api().start(body, withKey(key)), 400, "invalid-request", key);
  }
  const longest = "k".repeat(255);
  await problemOf(await api().start(body, withKey(`${longest}k`)), 400, "invalid-request");
  expect(await idOf(await api().start(body, withKey(`"${longest}"`)))).toBe(
    await idOf(await api().start(body, withKey(longest))),
  );
  const twice = new Headers([
    ["content-type", "application/json"],
    ["idempotency-key", "a"],
    ["idempotency-key", "b"],
  ]);
  const response = await fetch(api().at("/api/operations"), {
    method: "POST",
    headers: twice,
    body: '{"name":"echo"}',
  });
  await problemOf(response, 400, "invalid-request", "two keys");
  const chosen = await api().start({ ...body, operation_id: "chosen" }, withKey("k"));
  const { detail } = await problemOf(chosen, 400, "invalid-request");
  expect(detail).toContain("operation_id");
});

test("keys of different owners, and of different orchestrations, make different ids", () => {
  const ids = [
    idOfKey("shop", "ship", "1"),
    idOfKey("shop", "ship", "2"),
    idOfKey("shop", "bill", "1"),
    idOfKey("shed", "ship", "1"),
    idOfKey("", "shopship", "1"),
  ];
  expect(new Set(ids).size).toBe(5);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(idOfKey("shop", "ship", "1")).toBe("f77c3a1f9ba8fba37791cbdd2f7b577f");
});

test("a purged operation's key starts a new one", async () => {
  const body = { name: "echo", input: 1 };
  const id = await idOf(await api().start(body, withKey("purged")));
  await api().reaches(id, "Completed");
  await stack.client.purgeOrchestration(id);
  const again = await api().start(body, withKey("purged"));
  expect([await idOf(again), replayed(again)]).toEqual([id, null]);
});

test("200 concurrent starts of one key at two replicas make one operation, at a third one too (START-1)", async () => {
  const unlimited = { maxCommandsPerMinutePerCaller: 0 };
  const replicas = [
    client(await startTestApi(stack.address, unlimited)),
    client(await startTestApi(stack.address, unlimited)),
  ];
  const body = { name: "wait", tags: { test: "concurrent" } };
  const starts = Array.from({ length: 200 }, (_, index) =>
    replicas[index % 2]?.start(body, withKey("concurrent")),
  );
  const responses = (await Promise.all(starts)) as Response[];
  const ids = new Set(await Promise.all(responses.map(idOf)));
  expect(ids.size).toBe(1);
  expect(responses.filter((response) => replayed(response) === null).length).toBeLessThan(2);
  const found: string[] = [];
  for await (const { instanceId, tags } of stack.client.getAllInstances({})) {
    if (tags?.test === "concurrent") found.push(instanceId);
  }
  expect(found).toEqual([...ids]);
  const restarted = client(await startTestApi(stack.address, unlimited));
  const again = await restarted.start(body, withKey("concurrent"));
  expect([await idOf(again), replayed(again)]).toEqual([found[0], "true"]);
});
