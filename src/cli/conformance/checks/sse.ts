import { checksOf } from "../check.ts";
import { expect, expectEqual, show } from "../expect.ts";
import { stateOf } from "../test-operations.ts";
import { expectStates, isTime } from "../wire.ts";

/** PROTOCOL.md, section 4. `EventStream` checks what is true of every stream. */
export const SSE = checksOf("sse", {
  "a stream follows an operation to its end, each state once (C2, C3)": async ({
    server,
    operations,
  }) => {
    const id = await operations.startLive(server);
    const events = await (await server.stream(pathOf(id))).untilBye("terminal");
    expectStates(events, id);
    for (const event of events.filter(({ operation }) => operation)) {
      expectEqual("SSE id", event.id, event.operation?.cursor);
    }
    expectEqual("reconnect", events.at(-1)?.reconnect, false);
    const { cursor } = await stateOf(server, id);
    expectEqual("the last state", events.at(-2)?.operation?.cursor, cursor);
  },

  "a terminal operation is one snapshot and bye": async ({ server, operations: { ended } }) => {
    const events = await (await server.stream(pathOf(ended.operation_id))).untilBye("terminal");
    expectEqual(
      "events",
      events.map(({ type }) => type),
      ["snapshot", "bye"],
    );
    expectEqual("the document", events[0]?.operation, ended);
    expectEqual("resumed", events[0]?.resumed, false);
  },

  "a client that has the terminal state gets 204": async ({ server, operations: { ended } }) => {
    const path = pathOf(ended.operation_id);
    await server.expect(204, path, { query: { after: ended.cursor } });
    await server.expect(204, path, { headers: { "last-event-id": ended.cursor } });
  },

  "Last-Event-ID takes precedence over after": async ({ server, operations: { ended } }) => {
    const query = { after: "none" };
    const headers = { "last-event-id": ended.cursor };
    await server.expect(204, pathOf(ended.operation_id), { query, headers });
  },

  "a resume with an earlier cursor sends the present state (C4)": async ({
    server,
    operations,
  }) => {
    const id = await operations.startQuiet(server);
    const stream = await server.stream(pathOf(id));
    const first = await stream.next("a snapshot");
    await operations.terminate(server, id);
    await stream.untilBye("terminal");
    const query = { after: first.id ?? "" };
    const resumed = await (await server.stream(pathOf(id), { query })).untilBye("terminal");
    expectEqual(
      "events",
      resumed.map(({ type }) => type),
      ["snapshot", "bye"],
    );
    expectEqual("resumed", resumed[0]?.resumed, true);
  },

  "a resume without a change sends no state (C4)": async ({ server, operations: { quiet } }) => {
    const query = { after: quiet.cursor, wait: 1 };
    const stream = await server.stream(pathOf(quiet.operation_id), { query });
    const events = await stream.untilBye("rotate");
    expectEqual(
      "events",
      events.map(({ type }) => type),
      ["heartbeat", "bye"],
    );
    expectEqual("resumed", events[0]?.resumed, true);
    for (const { id } of events) expectEqual("SSE id", id, quiet.cursor);
  },

  "a heartbeat has as_of and heartbeat_ms": async ({ server, operations: { quiet } }) => {
    const query = { after: quiet.cursor, wait: 1 };
    const stream = await server.stream(pathOf(quiet.operation_id), { query });
    const { as_of, heartbeat_ms } = await stream.find("heartbeat", isHeartbeat);
    expect(as_of === null || isTime(as_of), `as_of is ${show(as_of)}`);
    expect(Number.isInteger(heartbeat_ms), `heartbeat_ms is ${show(heartbeat_ms)}`);
  },

  "a cursor that is not this operation's counts as none": async ({ server, operations }) => {
    const { quiet, ended } = operations;
    for (const after of ["none", "!", quiet.cursor]) {
      const stream = await server.stream(pathOf(ended.operation_id), { query: { after } });
      const { type, resumed } = await stream.next("a snapshot");
      expectEqual(`type and resumed after ${after}`, [type, resumed], ["snapshot", false]);
    }
  },

  "a long-poll of a stream ends behind what it has sent": async ({
    server,
    operations: { quiet },
  }) => {
    const stream = await server.stream(pathOf(quiet.operation_id), { query: { wait: 60 } });
    const events = await stream.untilBye("rotate");
    expectEqual(
      "events",
      events.map(({ type }) => type),
      ["snapshot", "bye"],
    );
    const bye = events[1];
    expectEqual("reconnect and retry_ms", [bye?.reconnect, bye?.retry_ms], [true, 0]);
  },
});

function isHeartbeat({ type }: { readonly type: string }): boolean {
  return type === "heartbeat";
}

function pathOf(id: string): string {
  return `api/operations/${id}/events`;
}
