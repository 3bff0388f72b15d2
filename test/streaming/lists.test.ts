import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { problemOf } from "../api/support/problem.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";

/* Lists on a scheduler that lists in no order at all, as the protocol allows. */

const NOW_MS = Date.now();

async function start() {
  const scheduler = await ScriptedScheduler.start();
  const api = await startTestApi(scheduler.address);
  const ask = (query: string) => fetch(new URL(`/api/operations?${query}`, api.url));
  const list = async (query: string) => {
    const response = await ask(query);
    expect(response.status).toBe(200);
    // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
    return (await response.json()) as any;
  };
  /** The ids of each page, to the end. */
  const pages = async (query: string) => {
    const ids: string[][] = [];
    for (let token = ""; ; ) {
      const page = await list(query + token);
      ids.push(page.operations.map((each: { operation_id: string }) => each.operation_id));
      if (!page.next_page_token) return ids;
      token = `&page_token=${page.next_page_token}`;
    }
  };
  return { scheduler, api, ask, list, pages };
}

/** Stores instances in a shuffled order. */
function store(scheduler: ScriptedScheduler, instances: readonly Instance[]): void {
  const order = instances.map((each, index) => ({ each, at: (index * 7919) % instances.length }));
  for (const { each } of order.sort((a, b) => a.at - b.at)) scheduler.set(each.id, each);
}

const created = (id: string, createdAtMs: number, more: Partial<Instance> = {}) =>
  instance({ id, createdAtMs, lastUpdatedAtMs: createdAtMs, ...more });
const numbered = (count: number, make: (index: number) => Instance) =>
  Array.from({ length: count }, (_, index) => make(index));

test("operations are newest first, whatever the scheduler's order and clock (NEWEST-1)", async () => {
  const { scheduler, pages } = await start();
  const day = 24 * 3_600_000;
  const ages = [-3_600_000, -1000, 500, 30_000, 90_000, 3_600_000, 9 * day, 80 * day, 4000 * day];
  const instances = ages.map((ageMs, index) => created(`op-${index}`, NOW_MS - ageMs));
  store(scheduler, instances);
  for (const limit of [1, 2, 4, 100]) {
    const ids = (await pages(`limit=${limit}`)).flat();
    expect(ids, `limit ${limit}`).toEqual(instances.map(({ id }) => id));
  }
});

test("bursts are listed whole: thousands in a second, hundreds in a millisecond (OPLIST-1)", async () => {
  const { scheduler, pages } = await start();
  const instances = [
    ...numbered(3000, (index) => created(`second-${index}`, NOW_MS - 60_000 - (index % 1000))),
    ...numbered(700, (index) => created(`at-once-${index}`, NOW_MS - 30_000)),
    ...numbered(2500, (index) => created(`ahead-${index}`, NOW_MS + 1000 + index)),
    ...numbered(1200, (index) => created(`years-ago-${index}`, NOW_MS / 2 - index * 1000)),
  ];
  store(scheduler, instances);
  const ids = (await pages("limit=500")).flat();
  expect(ids.length).toBe(instances.length);
  const wanted = instances.toSorted(
    (a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1),
  );
  expect(ids).toEqual(wanted.map(({ id }) => id));
});

test("a page that ends before its first window was listed moves no operation (OPLIST-1)", async () => {
  const { scheduler, list } = await start();
  store(scheduler, [
    ...numbered(50, (index) => created(`at-once-${10 + index}`, NOW_MS - 1000)),
    ...numbered(6000, (index) => created(`before-${index}`, NOW_MS - 2000 - index * 10)),
  ]);
  const first = await list("limit=20");
  // As after a time in which next to nothing was created: the window is much too wide, and narrowed.
  const [version, query, to, _width, id] = first.next_page_token.split(".");
  let token = [version, query, to, "zzzzzzz", id].join(".");
  const ids: string[] = [];
  while (ids.length < 40) {
    const page = await list(`limit=20&page_token=${token}`);
    ids.push(...page.operations.map((each: { operation_id: string }) => each.operation_id));
    token = page.next_page_token;
  }
  expect(ids.slice(0, 30)).toEqual(
    numbered(30, (index) => instance({ id: `at-once-${39 - index}` })).map(({ id }) => id),
  );
});

test("a filter that the scheduler lacks costs a bounded number of queries a page (OPLIST-2)", async () => {
  const { scheduler, list, pages } = await start();
  const everyMs = 20_000;
  const instances = numbered(12_000, (index) =>
    created(`op-${index}`, NOW_MS - index * everyMs, { name: index % 3000 ? "usual" : "rare" }),
  );
  store(scheduler, instances);
  const before = scheduler.countOf("queryInstances");
  const first = await list("name=rare");
  const queries = scheduler.countOf("queryInstances") - before;
  expect(first.next_page_token).toBeDefined();
  expect(queries).toBeLessThan(60);
  const ids = await pages("name=rare");
  expect(ids.length).toBeGreaterThan(1);
  expect(ids.flat()).toEqual(["op-0", "op-3000", "op-6000", "op-9000"]);
});

test("a page ends early where documents are large, and the next one goes on", async () => {
  const { scheduler, pages } = await start();
  const output = JSON.stringify("x".repeat(400_000));
  store(
    scheduler,
    numbered(16, (index) =>
      created(`op-${index}`, NOW_MS - index * 1000, { status: "COMPLETED", output }),
    ),
  );
  const ids = await pages("include=result");
  expect(ids.flat()).toEqual(
    numbered(16, (index) => instance({ id: `op-${index}` })).map(({ id }) => id),
  );
  expect(Math.max(...ids.map(({ length }) => length))).toBeLessThanOrEqual(11);
  expect((await pages("")).flat().length).toBe(16);
});

test("where pages of the scheduler come without payloads, rows are read, and their cursors are the same (C1)", async () => {
  const { scheduler, api, list, pages } = await start();
  const customStatus = JSON.stringify({ percent: 1, text: "x".repeat(300_000) });
  store(
    scheduler,
    numbered(9, (index) => created(`op-${index}`, NOW_MS - index * 1000, { customStatus })),
  );
  await pages(""); // From then on they are too heavy (LIST-1).
  const before = scheduler.countOf("getInstance");
  const { operations } = await list("limit=3");
  expect(scheduler.countOf("getInstance") - before).toBeGreaterThanOrEqual(3);
  for (const row of operations) {
    const response = await fetch(new URL(`/api/operations/${row.operation_id}`, api.url));
    expect(row).toEqual(await response.json());
  }
  // Queries lag: what was purged or restarted since is not what they list.
  scheduler.isStale = (_id, method) => method === "queryInstances";
  scheduler.purge("op-0");
  scheduler.set("op-1", created("op-1", NOW_MS + 1));
  expect((await pages("limit=3"))[0]).toEqual(["op-2", "op-3", "op-4"]);
});

test("entities are not operations", async () => {
  const { scheduler, pages } = await start();
  store(scheduler, [created("@counter@one", NOW_MS), created("op", NOW_MS)]);
  expect(await pages("")).toEqual([["op"]]);
});

test("statuses are those of documents: one that runs and is stored as pending is running", async () => {
  const { scheduler, pages } = await start();
  store(scheduler, [
    created("waits", NOW_MS, { status: "PENDING" }),
    created("continues", NOW_MS - 1, { status: "PENDING", lastUpdatedAtMs: NOW_MS }),
    created("continued", NOW_MS - 2, { status: "CONTINUED_AS_NEW" }),
    created("canceled", NOW_MS - 3, { status: "CANCELED" }),
  ]);
  expect(await pages("status=PENDING")).toEqual([["waits"]]);
  expect(await pages("status=RUNNING")).toEqual([["continues", "continued"]]);
  expect(await pages("status=CANCELED&status=PENDING")).toEqual([["waits", "canceled"]]);
});

test("more than can be put in order within a millisecond is 400 (NEWEST-2)", async () => {
  const { scheduler, ask } = await start();
  store(
    scheduler,
    numbered(11_000, (index) => created(`op-${index}`, NOW_MS - 5000)),
  );
  let answer = await ask("");
  while (answer.status === 200) {
    const { next_page_token } = (await answer.json()) as { next_page_token: string };
    answer = await ask(`page_token=${next_page_token}`);
  }
  const { detail } = await problemOf(answer, 400, "invalid-query");
  expect(detail).toMatch(/^Too many of these operations were created within one millisecond/);
});

test("lists fail as reads do, and of very many at a time some are put off", async () => {
  const { scheduler, ask } = await start();
  scheduler.queryFault = { kind: "error", code: status.UNAVAILABLE };
  await problemOf(await ask(""), 503, "scheduler-unavailable");
  scheduler.queryFault = { kind: "error", code: status.UNIMPLEMENTED };
  await problemOf(await ask(""), 501, "scheduler-unsupported");
  scheduler.queryFault = undefined;
  scheduler.fault = { kind: "held" };
  const before = scheduler.countOf("queryInstances");
  const waiting = Array.from({ length: 16 }, () => ask(""));
  await eventually("all to ask", () => scheduler.countOf("queryInstances") === before + 16);
  const refused = await ask("");
  expect(refused.headers.get("retry-after")).toBe("1");
  await problemOf(refused, 503, "too-many-lists");
  scheduler.fault = { kind: "none" };
  for (const response of await Promise.all(waiting)) expect(response.status).toBe(200);
  expect((await ask("")).status).toBe(200);
});
