import { afterAll, expect, test } from "vitest";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client, type Started, send } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* What callers whose permissions are narrowed may start, control and purge. */

const START = "operations:start";
const CONTROL = "operations:control";
const READ = "operations:read";
const keys = {
  all: createKey("all", START, CONTROL, READ),
  shop: createKey("shop", `${START}:shop-*`, `${CONTROL}:shop-*`, `${READ}:shop-*`),
  twin: createKey("twin", `${START}:shop-*`, `${READ}:shop-*`),
  echoes: createKey("echoes", `${START}:name=echo`, READ),
  starter: createKey("starter", START),
  webhook: createKey("webhook", `${CONTROL}:shop-*`),
  viewer: createKey("viewer", READ, `${CONTROL}:other-*`),
};
const file = createKeyFile(...Object.values(keys).map(({ line }) => line));
afterAll(() => file.remove());

const stack = useSharedStack({
  config: async () => ({
    credentials: file.credentials,
  }),
});
useForeignWorker(stack);

type Name = keyof typeof keys;
const as = (name: Name) => ({ authorization: `Bearer ${keys[name].key}` });
const at = (path: string) => new URL(path, stack.url);

const start = (name: Name, body: object, headers: Record<string, string> = {}) =>
  client(stack).start(body, { ...as(name), ...headers });

async function started(response: Response): Promise<string> {
  expect(response.status, await response.clone().text()).toBe(202);
  return ((await response.json()) as Started).operation_id;
}

/** An active operation under this id. */
async function waiting(operation_id: string): Promise<string> {
  return started(await start("all", { name: "wait", operation_id }));
}

test("an id that a caller leaves out begins with the prefix that it may start under", async () => {
  expect(await started(await start("shop", { name: "echo" }))).toMatch(/^shop-[0-9a-f-]{36}$/);
  const withKey = { "idempotency-key": "1" };
  const id = await started(await start("shop", { name: "echo" }, withKey));
  expect(id).toMatch(/^shop-[0-9a-f]{32}$/);
  const again = await start("shop", { name: "echo" }, withKey);
  expect([await started(again), again.headers.get("idempotency-replayed")]).toEqual([id, "true"]);
  expect(await started(await start("shop", { name: "echo", operation_id: "shop-7" }))).toBe(
    "shop-7",
  );
  const outside = await start("shop", { name: "echo", operation_id: "other-7" });
  await problemOf(outside, 403, "forbidden");
});

test("one caller's key is nothing to another caller", async () => {
  const withKey = { "idempotency-key": "shared" };
  const ids = [
    await started(await start("shop", { name: "echo", input: 1 }, withKey)),
    await started(await start("twin", { name: "echo", input: 2 }, withKey)),
  ];
  expect(new Set(ids).size).toBe(2);
});

test("a caller may start only the orchestrations that it names", async () => {
  await started(await start("echoes", { name: "echo" }));
  await problemOf(await start("echoes", { name: "wait" }), 403, "forbidden");
  const sample = await send(at("/api/start-operation"), {}, as("echoes"));
  await problemOf(sample, 403, "forbidden");
});

test("a caller that may not read what it starts gets neither its stream nor its document", async () => {
  const streamed = await start("starter", { name: "echo" }, { accept: "text/event-stream" });
  const { scope } = await problemOf(streamed, 403, "forbidden");
  expect(scope).toBe(READ);
  const waited = await start("starter", { name: "echo" }, { prefer: "wait=60" });
  expect([waited.status, waited.headers.get("preference-applied")]).toEqual([202, null]);
  // A repetition is recognised all the same.
  const withKey = { "idempotency-key": "unread" };
  const id = await started(await start("starter", { name: "echo" }, withKey));
  const again = await start("starter", { name: "echo" }, withKey);
  expect([await started(again), again.headers.get("idempotency-replayed")]).toEqual([id, "true"]);
});

test("a caller that may control an operation and not read it learns where it is, and nothing of it", async () => {
  const id = await waiting("shop-unread");
  const response = await send(at(`/api/operations/${id}/events/go`), "1", as("webhook"));
  expect(response.headers.get("etag")).toBeNull();
  expect([response.status, await response.json()]).toEqual([
    202,
    {
      operation_id: id,
      status_url: `/api/operations/${id}`,
      events_url: `/api/operations/${id}/events`,
    },
  ]);
});

test("outside of what a caller may control it is 403 if it may read the operation, else 404", async () => {
  const id = await waiting("order-1");
  for (const path of ["suspend", "terminate", "restart", "events/go"]) {
    const url = at(`/api/operations/${id}/${path}`);
    await problemOf(await send(url, {}, as("viewer")), 403, "forbidden", path);
    await problemOf(await send(url, {}, as("shop")), 404, "operation-not-found", path);
  }
  const url = at(`/api/operations/${id}`);
  await problemOf(await send(url, undefined, as("viewer"), "DELETE"), 403, "forbidden");
  await problemOf(await send(url, undefined, as("shop"), "DELETE"), 404, "operation-not-found");
});

test("a restart with a new id needs the right to start under any id", async () => {
  const id = await waiting("shop-again");
  const url = at(`/api/operations/${id}/restart`);
  const problem = await problemOf(await send(url, { new_id: true }, as("shop")), 403, "forbidden");
  expect(problem.scope).toBe("operations:start:name=wait");
  await started(await send(url, { new_id: true }, as("all")));
});

test("a purge by filter needs the right to control all that could match", async () => {
  const purge = (query: string, name: Name) =>
    send(at(`/api/operations?${query}`), undefined, as(name), "DELETE");
  await problemOf(await purge("status=Completed", "shop"), 403, "forbidden");
  await problemOf(await purge("status=Completed&prefix=sho", "shop"), 403, "forbidden");
  const narrow = await purge("status=Completed&prefix=shop-none", "shop"); // ids made above are "shop-" and hex
  expect([narrow.status, await narrow.json()]).toEqual([200, { deleted: 0, complete: true }]);
});
