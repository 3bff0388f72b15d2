import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { FeedLog } from "../../src/streaming/feed/feed-log.ts";
import { FeedPosition } from "../../src/streaming/feed/feed-position.ts";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import { OperationFilter } from "../../src/streaming/operation/operation-filter.ts";
import { formatWatermark, scopeOf } from "../../src/streaming/operation/watermark.ts";
import { instance } from "../helpers/scheduler/instance.ts";

const START_MS = 1_700_000_000_000;

/** A feed whose content the test decides. Dates are milliseconds after a start. */
function feedOf(count: number) {
  const log = new FeedLog(1000, 1_000_000);
  const feed = {
    log,
    scope: ({ key }: OperationFilter) => scopeOf("prefix", [key]),
    safeThroughMs: START_MS,
    isValidThrough: () => true,
    watermark: (scope: string): string =>
      formatWatermark(
        scope,
        feed.safeThroughMs,
        [...log.entries()].map(({ operation: { id, cursor } }) => ({ id, ...cursor })),
      ),
  };
  const put = (index: number, dateMs: number, more: Partial<Instance> = {}) =>
    log.put(
      toOperation(
        instance({
          id: `op-${index}`,
          createdAtMs: START_MS - 1000 + index,
          lastUpdatedAtMs: START_MS + dateMs,
          ...more,
        }),
      ),
    );
  for (let index = 0; index < count; index += 1) put(index, index - 1000);
  return { feed, put };
}

/** What is sent next: up to `most` states, as id and custom status, and the id after them. */
function send(position: FeedPosition, most = Number.POSITIVE_INFINITY) {
  const sent: string[] = [];
  while (sent.length < most) {
    const event = position.next();
    if (!event) break;
    const { id, instance } = event.operation;
    sent.push(`${id} ${event.type === "removed" ? "removed" : (instance.customStatus ?? "-")}`);
  }
  return { sent, id: position.watermark() };
}

function begin(
  feed: ReturnType<typeof feedOf>["feed"],
  after?: string,
  filter = OperationFilter.NONE,
): FeedPosition {
  const position = new FeedPosition(feed, filter, after);
  position.begin();
  return position;
}

test("the newest operation is first, and a first load resumes where it was cut (FEED-POSITION-3)", () => {
  const { feed } = feedOf(10);
  const one = send(begin(feed), 4);
  expect(one.sent).toEqual(["op-9 -", "op-8 -", "op-7 -", "op-6 -"]);
  const two = send(begin(feed, one.id), 4);
  expect(two.sent).toEqual(["op-5 -", "op-4 -", "op-3 -", "op-2 -"]);
  const three = send(begin(feed, two.id));
  expect(three.sent).toEqual(["op-1 -", "op-0 -"]);
  expect(send(begin(feed, three.id)).sent).toEqual([]);
});

test("what changed while a first load was cut off is sent once it resumes (FEED-POSITION-3)", () => {
  const { feed, put } = feedOf(10);
  const one = send(begin(feed), 4);
  put(8, 1, { customStatus: "1" });
  put(2, 2, { customStatus: "1" });
  feed.safeThroughMs = START_MS + 3;
  const two = send(begin(feed, one.id), 3);
  const three = send(begin(feed, two.id));
  expect([...two.sent, ...three.sent].sort()).toEqual(
    ["op-8 1", "op-5 -", "op-4 -", "op-3 -", "op-2 1", "op-1 -", "op-0 -"].sort(),
  );
});

test("a change during the first load is sent once, in its latest state, after the load", () => {
  const { feed, put } = feedOf(5);
  const position = begin(feed);
  expect(send(position, 2).sent).toEqual(["op-4 -", "op-3 -"]);
  for (const [index, status] of [
    [4, "1"],
    [1, "1"],
    [1, "2"],
  ] as const) {
    const entry = put(index, 10 + Number(status), { customStatus: status });
    expect(entry && position.take(entry, true)).toBeUndefined();
  }
  expect(send(position).sent).toEqual(["op-2 -", "op-0 -", "op-4 1", "op-1 2"]);
});

test("pending terminal states come first (FEED-POSITION-1)", () => {
  const { feed, put } = feedOf(3);
  const position = begin(feed);
  send(position);
  const changes = [
    put(0, 1, { customStatus: "1" }),
    put(1, 2, { status: "COMPLETED" }),
    put(2, 3, { customStatus: "1" }),
  ];
  for (const entry of changes) entry && position.take(entry, false);
  expect(send(position).sent).toEqual(["op-1 -", "op-0 1", "op-2 1"]);
});

test("a client that lagged is not sent the state that it has (FEED-POSITION-2)", () => {
  const { feed, put } = feedOf(3);
  const position = begin(feed);
  send(position);
  const changes = [
    put(0, 1, { customStatus: "1" }),
    put(1, 2, { customStatus: "1" }),
    put(0, 3, { customStatus: undefined }),
  ];
  for (const entry of changes) entry && position.take(entry, false);
  const { sent, id } = send(position);
  expect(sent).toEqual(["op-1 1"]);
  expect(send(begin(feed, id)).sent).toEqual([]);
});

test("a client cut off while it lags is sent what it missed, and nothing that it has", () => {
  const { feed, put } = feedOf(40);
  const position = begin(feed);
  send(position);
  for (let index = 0; index < 20; index += 1) {
    const entry = put(index, 1 + index, { customStatus: "1" });
    if (entry) position.take(entry, false);
  }
  feed.safeThroughMs = START_MS + 100;
  const lagging = send(position, 5);
  const resumed = send(begin(feed, lagging.id));
  expect([...lagging.sent, ...resumed.sent]).toEqual(
    Array.from({ length: 20 }, (_, index) => `op-${index} 1`),
  );
});

test("a change that the client was not notified of is not covered by its id (FEED-POSITION-3)", () => {
  const { feed, put } = feedOf(3);
  const position = begin(feed);
  send(position);
  const one = put(0, 1, { customStatus: "1" });
  put(1, 2, { customStatus: "1" });
  feed.safeThroughMs = START_MS + 100;
  expect(one && position.take(one, true)).toMatchObject({ type: "update" });
  const resumed = send(begin(feed, position.watermark()));
  expect(resumed.sent).toContain("op-1 1");
});

const RUNNING = new OperationFilter({ statuses: ["RUNNING"] });

test("an operation that ceases to match is removed, and is a snapshot when it matches again", () => {
  const { feed, put } = feedOf(3);
  const position = begin(feed, undefined, RUNNING);
  expect(send(position).sent).toEqual(["op-2 -", "op-1 -", "op-0 -"]);
  const types = [
    put(1, 1, { customStatus: "1" }),
    put(1, 2, { status: "SUSPENDED" }),
    put(1, 3, { status: "SUSPENDED", customStatus: "2" }),
    put(1, 4),
    put(3, 5, { status: "COMPLETED" }),
  ].map((entry) => entry && position.take(entry, true)?.type);
  expect(types).toEqual(["update", "removed", undefined, "snapshot", undefined]);
});

test("a client that lagged is sent only what it has not got, and removals of what it has", () => {
  const { feed, put } = feedOf(4);
  const position = begin(feed, undefined, RUNNING);
  send(position);
  const changes = [
    put(0, 1, { status: "COMPLETED" }),
    put(1, 2, { status: "SUSPENDED" }),
    put(1, 3),
    put(2, 4, { status: "SUSPENDED" }),
    put(2, 5, { customStatus: "back" }),
    put(7, 6),
    put(7, 7, { status: "COMPLETED" }),
    put(8, 8, { status: "SUSPENDED" }),
  ];
  for (const entry of changes) entry && position.take(entry, false);
  expect(send(position).sent).toEqual(["op-0 removed", "op-2 back"]);
});

test("an operation that ceased to match meanwhile is removed after a resume (FEED-POSITION-4)", () => {
  const { feed, put } = feedOf(4);
  put(3, -1, { status: "COMPLETED" });
  const { id } = send(begin(feed, undefined, RUNNING));
  put(0, 10, { status: "COMPLETED" });
  put(1, 11, { customStatus: "1" });
  put(5, 12, { status: "FAILED" });
  feed.safeThroughMs = START_MS + 20;
  const resumed = send(begin(feed, id, RUNNING));
  // Whether the client has a new one that does not match is not known.
  expect(resumed.sent.toSorted()).toEqual(["op-0 removed", "op-1 1", "op-5 removed"]);
  expect(send(begin(feed, resumed.id, RUNNING)).sent).toEqual([]);
  // The watermark of another filter counts as none.
  const other = begin(feed, id, new OperationFilter({ statuses: ["RUNNING", "Completed"] }));
  expect(other.isResumed).toBe(false);
  expect(send(other).sent.length).toBe(4);
});
