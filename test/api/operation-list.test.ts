import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { createSdkWorker } from "../helpers/sdk.ts";
import { startTestApi } from "../helpers/stack.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

interface Row {
  readonly operation_id: string;
  readonly name: string;
  readonly status: string;
  readonly created_at: string;
  readonly [key: string]: unknown;
}

interface Page {
  readonly operations: readonly Row[];
  readonly next_page_token?: string;
}

async function list(query: string, base = stack.url): Promise<Page> {
  const response = await fetch(new URL(`/api/operations?${query}`, base));
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  return JSON.parse(text) as Page;
}

/** The pages of a list to its end. */
async function pages(query: string): Promise<Page[]> {
  const all = [await list(query)];
  for (let last = all[0]; last?.next_page_token; last = all.at(-1)) {
    all.push(await list(`${query}&page_token=${last.next_page_token}`));
  }
  return all;
}

const idsOf = (all: readonly Page[]) =>
  all.flatMap(({ operations }) => operations.map(({ operation_id }) => operation_id));
const everyId = async (query: string) => idsOf(await pages(query));

async function* waits(context: OrchestrationContext) {
  yield context.waitForExternalEvent("go");
}

/** In the order of their creation. */
const created: string[] = [];
let worker: ReturnType<typeof createSdkWorker>;

beforeAll(async () => {
  const orchestrators = { ship: waits, bill: waits };
  worker = createSdkWorker(stack.address, { orchestrators } as never);
  await worker.start();
  for (let index = 0; index < 130; index += 1) {
    const id = `${index % 2 ? "odd" : "even"}-${index}`;
    await stack.client.scheduleNewOrchestration(
      index % 3 ? "ship" : "bill",
      { index },
      {
        instanceId: id,
        tags: { team: index % 5 ? "blue" : "red", "a:b": `${index % 2}` },
      },
    );
    created.push(id);
  }
  await reach(created.at(-1) ?? "", "RUNNING");
});
afterAll(() => worker.stop());

async function read(id: string): Promise<Row> {
  return (await (await fetch(new URL(`/api/operations/${id}`, stack.url))).json()) as Row;
}

const reach = (id: string, status: string) =>
  eventually(`${id} in status ${status}`, async () => (await read(id)).status === status);

test("operations come newest first, and the tokens lead to each once (OPLIST-1)", async () => {
  const all = await pages("limit=50");
  expect(all.slice(0, 2).map(({ operations }) => operations.length)).toEqual([50, 50]);
  expect(idsOf(all)).toEqual(created.toReversed());
  const times = all.flatMap(({ operations }) => operations.map(({ created_at }) => created_at));
  expect(times).toEqual(times.toSorted().toReversed());
});

test("a page has 100 operations where the request does not say how many", async () => {
  const { operations, next_page_token } = await list("");
  expect([operations.length, next_page_token]).toEqual([100, expect.stringMatching(/^[\w.-]+$/)]);
});

test("operations that are created between two pages move no other (OPLIST-1)", async () => {
  const first = await list("limit=40&prefix=even-");
  await stack.client.scheduleNewOrchestration("ship", null, "even-late");
  const rest = await everyId(`limit=40&prefix=even-&page_token=${first.next_page_token}`);
  await stack.client.terminateOrchestration("even-late", null);
  expect([...idsOf([first]), ...rest]).toEqual(
    created.filter((id) => id.startsWith("even-")).toReversed(),
  );
});

test("lists are filtered by name, tag, prefix and status, repeated parameters included", async () => {
  const indexes = (ids: readonly string[]) => ids.map((id) => Number(id.split("-")[1]));
  const where = (matches: (index: number) => boolean) =>
    indexes(created).filter(matches).toReversed();
  for (const [query, matches] of [
    ["name=bill", (index) => index % 3 === 0],
    ["name=bill&name=ship&prefix=odd-", (index) => index % 2 === 1],
    ["tag=team:red&prefix=odd-", (index) => index % 10 === 5],
    ["tag=team:red&tag=a:b:1&name=ship", (index) => index % 10 === 5 && index % 3 > 0],
    ["tag=team:green", () => false],
    ["status=Completed&status=Failed", () => false],
    ["status=RUNNING&name=bill", (index) => index % 3 === 0],
  ] as [string, (index: number) => boolean][]) {
    expect(indexes(await everyId(`${query}&limit=20`)), query).toEqual(where(matches));
  }
  const id = "odd-1";
  await stack.client.suspendOrchestration(id);
  await reach(id, "SUSPENDED");
  expect(await everyId("status=SUSPENDED")).toEqual([id]);
  expect(await everyId("status=SUSPENDED&status=Failed&prefix=odd-")).toEqual([id]);
  await stack.client.resumeOrchestration(id);
});

test("lists are bounded by the time of creation: from one time on, and before another", async () => {
  const { operations } = await list("limit=60&prefix=odd-");
  const [later, earlier] = [operations[10], operations[30]] as [Row, Row];
  const range = `created_after=${earlier.created_at}&created_before=${later.created_at}`;
  const within = ({ created_at }: Row) =>
    created_at >= earlier.created_at && created_at < later.created_at;
  expect(await everyId(`${range}&limit=7&prefix=odd-`)).toEqual(
    operations.filter(within).map(({ operation_id }) => operation_id),
  );
  expect(await everyId("created_after=2300-01-01T00:00:00%2B02:00")).toEqual([]);
  expect(await everyId("created_before=2001-01-01T00:00:00Z")).toEqual([]);
});

test("a row is the document without input and result, which can be included", async () => {
  const id = "with-result";
  await stack.client.scheduleNewOrchestration("ship", { big: 1 }, id);
  await stack.client.terminateOrchestration(id, { why: "test" });
  const one = async (query: string) => (await list(`prefix=${id}${query}`)).operations[0] as Row;
  await reach(id, "TERMINATED");
  const document = await read(id);
  const { result, ...rest } = document;
  expect(result).toEqual({ why: "test" });
  expect(await one("")).toEqual(rest);
  expect(await one("&include=result")).toEqual(document);
  expect(await one("&include=input")).toEqual({ ...rest, input: { big: 1 } });
  expect(await one("&include=result,input")).toEqual({ ...document, input: { big: 1 } });
});

test("a token continues at another replica, and with another limit (OPLIST-3)", async () => {
  const other = await startTestApi(stack.address);
  const first = await list("limit=3&prefix=odd-");
  const next = await list(`limit=9&prefix=odd-&page_token=${first.next_page_token}`, other.url);
  expect(idsOf([first, next])).toEqual(
    created
      .filter((id) => id.startsWith("odd-"))
      .toReversed()
      .slice(0, 12),
  );
});

test("a token of another list, or none at all, is 400", async () => {
  const { next_page_token: token = "" } = await list("limit=3&prefix=odd-&name=ship&name=bill");
  await list(`prefix=odd-&name=bill&name=ship&page_token=${token}`);
  const [version, query, to, width, id] = token.split(".");
  for (const other of [
    `prefix=odd-&page_token=${token}`,
    `prefix=even-&name=ship&name=bill&page_token=${token}`,
    `prefix=odd-&name=ship&name=bill&status=RUNNING&page_token=${token}`,
    `prefix=odd-&name=ship&name=bill&created_after=2001-01-01T00:00:00Z&page_token=${token}`,
    "page_token=",
    "page_token=x",
    ...[
      [version, query, "zzzzzzzzzzz", width],
      [version, query, "0", width, id],
      [version, query, to, "0"],
      [version, query, to],
      [version, query, to, width, "%2B"],
      ["p2", query, to, width, id],
    ].map((fields) => `prefix=odd-&name=ship&name=bill&page_token=${fields.join(".")}`),
  ]) {
    const response = await fetch(new URL(`/api/operations?${other}`, stack.url));
    const { detail } = await problemOf(response, 400, "invalid-query", other);
    expect(detail, other).toMatch(/^"page_token" must be the "next_page_token"/);
  }
});

test("a parameter that is not possible is 400 and named", async () => {
  for (const [query, detail] of [
    ["status=Running", /^"status" must be one of "PENDING", .*"CANCELED"\.$/],
    ["status=RUNNING&status=x", /^"status" must be one of/],
    ["name=", /^"name" must be the name of an orchestration\.$/],
    ["tag=team", /^"tag" must be a tag as "key:value"\.$/],
    ["prefix=@x", /^"prefix" must be/],
    ["prefix=a&prefix=b", /^"prefix" must be/],
    ["limit=0", /^"limit" must be a whole number from 1 to 500\.$/],
    ["limit=501", /^"limit" must be/],
    ["limit=1e2", /^"limit" must be/],
    ["include=output", /^"include" must be "input", "result" or "input,result"; with/],
    ["include=stack", /^"include" may have "stack" only with "operation_id"\.$/],
    ["created_after=yesterday", /^"created_after" must be a time with its zone/],
    ["created_before=2026-11-23T16:40:29", /^"created_before" must be/],
    ["created_before=2016-12-31T23:59:60Z", /^"created_before" is not a time that exists\.$/],
    ["operation_id=x&status=RUNNING", /^"operation_id" and "status" exclude each other\.$/],
    ["operation_id=x&include=result", /^With "operation_id" "include" must be "input"/],
    ["order=asc", /^"order" is not known here\.$/],
    [`${"name=a&".repeat(21)}`, /^"name" must be/],
  ] as const) {
    const response = await fetch(new URL(`/api/operations?${query}`, stack.url));
    expect((await problemOf(response, 400, "invalid-query", query)).detail, query).toMatch(detail);
  }
});
