import { checksOf } from "../check.ts";
import type { EventStream, StreamEvent } from "../event-stream.ts";
import { expect, expectEqual } from "../expect.ts";
import { expectDocument } from "../wire.ts";

const PATH = "api/events";

/** PROTOCOL.md, section 4.2. All feeds here are of the ids of this run. */
export const FEED = checksOf("feed", {
  "present operations are snapshots, new ones follow by themselves": async ({
    server,
    operations,
  }) => {
    const { ended, quiet, prefix } = operations;
    const stream = await server.stream(PATH, { query: { prefix } });
    const present = await untilCaughtUp(stream, ended.operation_id, quiet.operation_id);
    for (const { operation_id, cursor } of [ended, quiet]) {
      const found = present.find(({ operation }) => operation?.operation_id === operation_id);
      expectEqual(`the present state of ${operation_id}`, found?.operation?.cursor, cursor);
    }
    const id = await operations.startQuiet(server);
    const { type, operation } = await stream.find(`snapshot of ${id}`, isAbout(id));
    expectEqual("type", type, "snapshot");
    expectDocument(operation, id);
  },

  "a watermark resumes at the last event: what did not change is not sent": async ({
    server,
    operations: { prefix, quiet },
  }) => {
    const stream = await server.stream(PATH, { query: { prefix } });
    const present = await untilCaughtUp(stream, quiet.operation_id);
    const states = new Set(present.flatMap(({ operation }) => operation?.cursor ?? []));
    const after = present.at(-1)?.id ?? "";
    expect(/^[0-9a-z.]{1,256}$/.test(after), `the watermark is ${after}`);
    const query = { prefix, after, wait: 1 };
    const events = await (await server.stream(PATH, { query })).untilBye("rotate");
    expectEqual("resumed", events[0]?.resumed, true);
    const repeated = events.filter(({ operation }) => operation && states.has(operation.cursor));
    expectEqual("states that were sent before", repeated.length, 0);
  },

  "a watermark of another filter counts as none": async ({ server, operations: { prefix } }) => {
    const events = await untilCaughtUp(await server.stream(PATH, { query: { prefix } }));
    const query = { prefix, status: "RUNNING", after: events.at(-1)?.id ?? "" };
    const { resumed } = await (await server.stream(PATH, { query })).next("the first event");
    expectEqual("resumed", resumed, false);
  },

  "a filter sends what matches, and removed for what no longer does": async ({
    server,
    operations,
  }) => {
    const { prefix, ended } = operations;
    const id = await operations.startQuiet(server);
    const status = ["PENDING", "RUNNING"];
    const stream = await server.stream(PATH, { query: { prefix, status } });
    const present = await untilCaughtUp(stream, id);
    expect(!present.some(isAbout(ended.operation_id)), "an operation came that does not match");
    await operations.terminate(server, id);
    const removed = await stream.find(
      `removed of ${id}`,
      ({ operation_id }) => operation_id === id,
    );
    expectEqual("type and reason", [removed.type, removed.reason], ["removed", "no_match"]);
  },
});

/** The events until these operations and a heartbeat have come: an operation may be newer than the last read. */
async function untilCaughtUp(stream: EventStream, ...ids: string[]): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  await stream.find("what is present, and a heartbeat", (event) => {
    events.push(event);
    const isPresent = (id: string) => events.some(isAbout(id));
    return events.some(({ type }) => type === "heartbeat") && ids.every(isPresent);
  });
  return events;
}

function isAbout(id: string): (event: StreamEvent) => boolean {
  return ({ operation }) => operation?.operation_id === id;
}
