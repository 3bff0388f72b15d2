import fc from "fast-check";
import { expect, test } from "vitest";
import type { Instance, RuntimeStatus } from "../../src/dts/instance.ts";
import { FeedLog } from "../../src/streaming/feed/feed-log.ts";
import { type FeedEvent, FeedPosition } from "../../src/streaming/feed/feed-position.ts";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import { OperationFilter } from "../../src/streaming/operation/operation-filter.ts";
import { formatWatermark, scopeOf } from "../../src/streaming/operation/watermark.ts";
import { instance } from "../helpers/scheduler/instance.ts";

/*
 * One client of a filtered feed goes from replica to replica, while operations change. Whatever happens,
 * once it has caught up it has exactly what matches, in its present state (FEED-POSITION-4, C2, C4, C5).
 */

const START_MS = 1_700_000_000_000;
const STATUSES: readonly RuntimeStatus[] = ["PENDING", "RUNNING", "SUSPENDED", "COMPLETED"];
const FILTERS = [
  OperationFilter.NONE,
  new OperationFilter({ statuses: ["RUNNING"] }),
  new OperationFilter({ statuses: ["Completed", "SUSPENDED"] }),
  new OperationFilter({ statuses: ["RUNNING"], names: ["even"] }),
  new OperationFilter({ tags: ["shard:1"] }),
];

/** A replica's view of the scheduler: it knows all changes up to one, and says so. */
class Replica {
  readonly log = new FeedLog(1000, 10_000_000);
  readonly #world: readonly Instance[];
  #known = 0;

  constructor(world: readonly Instance[]) {
    this.#world = world;
  }

  /** All changes dated before this are in the log. */
  get safeThroughMs(): number {
    const next = this.#world[this.#known];
    return next ? next.lastUpdatedAtMs : (this.#world.at(-1)?.lastUpdatedAtMs ?? START_MS);
  }

  /** Learns of up to `count` changes more; those between are not seen. */
  learn(count: number, onChange: (entry: ReturnType<FeedLog["put"]>) => void): void {
    const upTo = Math.min(this.#world.length, this.#known + count);
    const latest = new Map(this.#world.slice(this.#known, upTo).map((each) => [each.id, each]));
    this.#known = upTo;
    for (const each of latest.values()) onChange(this.log.put(toOperation(each)));
  }

  isValidThrough = () => true;
  scope = ({ key }: OperationFilter) => scopeOf("filtered", [key]);
  watermark = (scope: string) => {
    const sent = [...this.log.entries()].map(({ operation: { id, cursor } }) => ({
      id,
      ...cursor,
    }));
    return formatWatermark(scope, this.safeThroughMs, sent);
  };
}

/** A client that keeps to PROTOCOL.md, section 4.2. */
class Client {
  readonly has = new Map<string, string>();
  lastId: string | undefined;
  #sent = new Map<string, string>();

  connected(isResumed: boolean): void {
    if (!isResumed) this.has.clear();
    this.#sent.clear();
  }

  take(event: FeedEvent, id: string | undefined): void {
    const { id: operation, cursor } = event.operation;
    const state = `${cursor.createdAtMs} ${cursor.state}`;
    expect(this.#sent.get(operation), `${operation} twice in a row (C2)`).not.toBe(state);
    if (event.type === "update") expect(this.has.has(operation)).toBe(true);
    if (event.type === "removed") this.has.delete(operation);
    else this.has.set(operation, state);
    this.#sent.set(operation, event.type === "removed" ? "" : state);
    this.lastId = id;
  }
}

const any = fc.noBias(fc.nat({ max: 1000 }));
const script = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("change" as const), pick: any, to: any }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("learn" as const), count: any }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), count: any }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("connect" as const), replica: any }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("stall" as const), isReady: fc.boolean() }),
    },
  ),
  { minLength: 5, maxLength: 120, size: "max" },
);

function play(
  steps: typeof script extends fc.Arbitrary<infer T> ? T : never,
  filter: OperationFilter,
) {
  const world: Instance[] = [];
  const present = new Map<string, Instance>();
  const replicas = [new Replica(world), new Replica(world)];
  const client = new Client();
  let nowMs = START_MS;
  let replica = replicas[0] as Replica;
  let position: FeedPosition | undefined;
  let isReady = true;

  const change = (pick: number, to: number) => {
    nowMs += to % 3 === 0 ? 0 : to % 40;
    const id = `op-${pick % 12}`;
    const known = present.get(id);
    const status = STATUSES[to % STATUSES.length] as RuntimeStatus;
    // An operation that is restarted has a new creation, and perhaps another name.
    const begins = !known || (known.status === "COMPLETED" && to % 5 === 0);
    // States of one operation that share a millisecond have no order.
    if (begins || known.lastUpdatedAtMs === nowMs) nowMs += 1;
    const createdAtMs = begins ? nowMs : known.createdAtMs;
    const next = instance({
      id,
      createdAtMs,
      lastUpdatedAtMs: nowMs,
      status: begins ? "PENDING" : status,
      name: begins ? (to % 2 ? "odd" : "even") : known.name,
      tags: { shard: `${pick % 2}` },
      customStatus: to % 7 ? undefined : `${to}`,
    });
    present.set(id, next);
    world.push(next);
  };
  const learn = (count: number) =>
    replica.learn(count, (entry) => {
      const event = entry && position?.take(entry, isReady);
      if (event) client.take(event, position?.watermark());
    });
  const send = (count: number) => {
    for (let left = count; left > 0 && isReady && position; left -= 1) {
      const event = position.next();
      if (!event) return;
      client.take(event, position.watermark());
    }
  };
  const connect = (index: number) => {
    replica = replicas[index % replicas.length] as Replica;
    isReady = true;
    position = undefined;
    // A client that resumes is compared with reads that were sent after it came.
    learn(client.lastId === undefined ? 0 : world.length);
    position = new FeedPosition(replica, filter, client.lastId);
    client.connected(position.isResumed);
    position.begin();
  };

  connect(0);
  for (const step of steps) {
    if (step.do === "change") change(step.pick, step.to);
    else if (step.do === "learn") learn(step.count % 6);
    else if (step.do === "send") send(step.count % 6);
    else if (step.do === "connect") connect(step.replica);
    else isReady = step.isReady;
  }
  isReady = true;
  learn(world.length);
  send(Number.POSITIVE_INFINITY);
  const matching = [...present.values()].filter((each) => filter.matches(each)).map(toOperation);
  const wanted = matching.map(({ id, cursor }) => [id, `${cursor.createdAtMs} ${cursor.state}`]);
  expect(Object.fromEntries(client.has)).toEqual(Object.fromEntries(wanted));
}

test("a client that has caught up has exactly what matches (FEED-POSITION-4, C2, C4, C5)", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  fc.assert(fc.property(script, fc.constantFrom(...FILTERS), play), {
    numRuns: Number(process.env.RUNS ?? 1000),
    seed,
  });
});
