import fc from "fast-check";
import { expect, test } from "vitest";
import { unrestricted } from "../../src/access.ts";
import type { Instance } from "../../src/dts/instance.ts";
import type { InstanceQuery } from "../../src/dts/instance-query.ts";
import { OperationLists } from "../../src/streaming/list/operation-lists.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import { newestFirst } from "../../src/streaming/operation/creation-order.ts";
import { OperationFilter } from "../../src/streaming/operation/operation-filter.ts";
import { Listing } from "../../src/streaming/reading/listing.ts";
import { ReadBudget } from "../../src/streaming/reading/read-budget.ts";
import { Reader } from "../../src/streaming/reading/reader.ts";
import { instance, pageOf } from "../helpers/scheduler/instance.ts";

/*
 * Whatever times the operations were created at, and in whatever order a scheduler lists them, the pages of
 * a list have each that matches once, newest first, for a bounded number of queries a page.
 */

const NOW_MS = Date.now();
/** Queries of one page: 16, and those of a window that is listed as a whole or given up. */
const MOST_QUERIES = 60;

/** Operations created within some time, up to some age. */
const cluster = fc.record({
  count: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 500, max: 1500 })),
  ageMs: fc.oneof(
    fc.integer({ min: -3_600_000, max: 3_600_000 }),
    fc.integer({ min: 0, max: 400 * 24 * 3_600_000 }),
    fc.constant(NOW_MS - 1000),
  ),
  spreadMs: fc.constantFrom(0, 1, 50, 10_000, 3_600_000, 24 * 3_600_000),
});

const world = fc.record({
  clusters: fc.array(cluster, { maxLength: 3 }),
  limit: fc.constantFrom(200, 500),
  pageSize: fc.constantFrom(100, 500),
  filtered: fc.boolean(),
  step: fc.constantFrom(1, 7919),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function instancesOf({ clusters, step }: World): Instance[] {
  const all = clusters.flatMap(({ count, ageMs, spreadMs }, at) =>
    Array.from({ length: count }, (_, index) => {
      const createdAtMs = Math.max(1, NOW_MS - ageMs - Math.floor((spreadMs * index) / count));
      const name = index % 7 ? "usual" : "rare";
      return instance({ id: `${at}-${index}`, name, createdAtMs, lastUpdatedAtMs: createdAtMs });
    }),
  );
  const order = all.map((each, index) => ({ each, at: (index * step) % all.length }));
  return order.sort((a, b) => a.at - b.at).map(({ each }) => each);
}

async function play(made: World): Promise<void> {
  const instances = instancesOf(made);
  let queries = 0;
  const scheduler = {
    getInstance: async () => undefined,
    queryInstances: async (query: InstanceQuery) => {
      queries += 1;
      const { page, nextPageToken } = pageOf(instances, query);
      return { instances: page, nextPageToken, payloadLength: 0 };
    },
  };
  const log = { debug() {}, info() {}, warn() {} };
  const budget = new ReadBudget({ readsPerSecond: 1_000_000 });
  const reader = new Reader(scheduler, budget, createMetrics(), log);
  const lists = new OperationLists(new Listing(reader, made.pageSize), {
    readWhole: () => Promise.reject(new Error("all pages are complete")),
  });
  const filter = new OperationFilter(made.filtered ? { names: ["rare"] } : {});
  const query = { prefix: "", filter, createdFromMs: undefined, createdToMs: undefined };
  const listed: string[] = [];
  let pageToken: string | undefined;
  do {
    const before = queries;
    const options = { limit: made.limit, input: false, result: false, pageToken };
    const page = JSON.parse(await lists.page(query, options, { access: unrestricted("the test") }));
    expect(page.operations.length).toBeLessThanOrEqual(made.limit);
    expect(queries - before).toBeLessThanOrEqual(MOST_QUERIES * (500 / made.pageSize));
    for (const { operation_id } of page.operations) listed.push(operation_id);
    pageToken = page.next_page_token;
  } while (pageToken !== undefined);
  const wanted = instances.filter((each) => filter.matches(each)).sort(newestFirst);
  expect(listed).toEqual(wanted.map(({ id }) => id));
}

test("the pages of a list have each operation once, newest first (NEWEST-1, OPLIST-1, OPLIST-2)", async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const numRuns = Number(process.env.RUNS ?? 40);
  await fc.assert(fc.asyncProperty(world, play), { seed, numRuns });
});
