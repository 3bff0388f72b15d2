import { checksOf } from "../check.ts";
import { expect, expectEqual } from "../expect.ts";
import type { Query } from "../server.ts";
import { expectProblem, expectStates } from "../wire.ts";

const PATH = "api/events";

/** PROTOCOL.md, section 4.1. */
export const SEVERAL = checksOf("several", {
  "each operation begins with a snapshot; bye terminal when all have ended": async ({
    server,
    operations,
  }) => {
    const ids = [operations.ended.operation_id, await operations.startLive(server)];
    const stream = await server.stream(PATH, { query: { operation_id: ids } });
    const events = await stream.untilBye("terminal");
    for (const id of ids) {
      expectStates(
        events.filter(({ operation }) => operation?.operation_id === id),
        id,
      );
    }
  },

  "an unknown id is a problem, and the stream goes on": async ({ server, operations }) => {
    const unknown = operations.nextId();
    const query = { operation_id: [unknown, operations.ended.operation_id] };
    const events = await (await server.stream(PATH, { query })).untilBye("terminal");
    const [problem, ...others] = events.filter(({ type }) => type === "problem");
    expectEqual("further problems", others.length, 0);
    expectEqual("operation_id of the problem", problem?.operation_id, unknown);
    expectProblem(problem?.problem, 404, "operation-not-found");
    expect(
      events.some(({ operation }) => operation),
      "the known operation was not sent",
    );
  },

  "a watermark resumes, whatever the order of the ids": async ({ server, operations }) => {
    const { ended, terminated } = operations;
    const ids = [ended.operation_id, terminated.operation_id];
    const events = await (await server.stream(PATH, { query: { operation_id: ids } })).untilBye(
      "terminal",
    );
    const after = events.at(-1)?.id ?? "";
    expect(/^[0-9a-z.]{1,256}$/.test(after), `the watermark is ${after}`);
    for (const operation_id of [ids, ids.toReversed()]) {
      await server.expect(204, PATH, { query: { operation_id, after } });
    }
  },

  "a watermark of other ids counts as none": async ({ server, operations }) => {
    const { ended, terminated, quiet } = operations;
    const first = { operation_id: [ended.operation_id, terminated.operation_id] };
    const after = (await (await server.stream(PATH, { query: first })).untilBye("terminal")).at(
      -1,
    )?.id;
    const query = { operation_id: [ended.operation_id, quiet.operation_id], after: after ?? "" };
    const { resumed } = await (await server.stream(PATH, { query })).next("a snapshot");
    expectEqual("resumed", resumed, false);
  },

  "after for each operation resumes those that have one": async ({ server, operations }) => {
    const { ended, terminated } = operations;
    const query: Query = {
      operation_id: [ended.operation_id, terminated.operation_id],
      after: [ended.cursor, ""],
    };
    const events = await (await server.stream(PATH, { query })).untilBye("terminal");
    const sent = events.flatMap(({ operation }) => operation?.operation_id ?? []);
    expectEqual("operations that were sent", sent, [terminated.operation_id]);
  },
});
