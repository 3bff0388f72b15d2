import { checksOf } from "../check.ts";
import type { StreamEvent } from "../event-stream.ts";
import { expect, expectEqual, Skipped } from "../expect.ts";
import type { Query, Server } from "../server.ts";
import { expectStates } from "../wire.ts";

/** PROTOCOL.md, section 4.3. */
export const STEPS = checksOf("steps", {
  "a live stream has every step once, in order, and the states beside them": async ({
    server,
    operations,
  }) => {
    const id = await operations.startLive(server);
    const events = await stepsOf(server, id);
    expectStates(events, id);
    const steps = events.filter(isStep);
    expectEqual(
      "seq",
      steps.map(({ seq }) => seq),
      steps.map((_, index) => index + 1),
    );
    const scheduled = new Set(steps.map(({ seq }) => seq));
    for (const { kind, scheduled_seq } of steps) {
      expect(typeof kind === "string", "a step has no kind");
      const known = scheduled_seq === undefined || scheduled.has(scheduled_seq as number);
      expect(known, `scheduled_seq ${scheduled_seq} is no step`);
    }
  },

  "the history has the steps of the stream": async ({ server, operations: { ended } }) => {
    const id = ended.operation_id;
    const steps = (await stepsOf(server, id)).filter(isStep);
    const { body } = await server.expect(200, `api/operations/${id}/history`);
    expectEqual(
      "steps of the history",
      body.steps,
      steps.map(({ id: _, ...step }) => step),
    );
    const query = { after: 1 };
    const later = await server.expect(200, `api/operations/${id}/history`, { query });
    expectEqual("steps after the first", later.body.steps, (body.steps as unknown[]).slice(1));
    await server.expect(204, pathOf(id), {
      query: { detail: "steps", after: String(body.cursor) },
    });
  },

  "a resume at any event sends exactly what follows": async ({ server, operations: { ended } }) => {
    const id = ended.operation_id;
    const all = await stepsOf(server, id);
    for (const [index, { id: after = "" }] of all.entries()) {
      const following = all.slice(index + 1).filter(isStep);
      const query = { detail: "steps", after };
      if (index >= all.length - 1) {
        await server.expect(204, pathOf(id), { query });
        continue;
      }
      const { status } = await server.request(pathOf(id), { query: { ...query, wait: 1 } });
      if (status === 204) {
        expectEqual(
          `steps after ${after}`,
          [],
          following.map(({ seq }) => seq),
        );
        continue;
      }
      const sent = (await stepsOf(server, id, query)).filter(isStep);
      expectEqual(
        `steps after ${after}`,
        sent.map(({ seq }) => seq),
        following.map(({ seq }) => seq),
      );
    }
  },

  "a cursor of the status sends the steps from the first": async ({ server, operations }) => {
    const { operation_id, cursor } = operations.ended;
    const events = await stepsOf(server, operation_id, { after: cursor });
    expectEqual("states", events.filter(({ operation }) => operation).length, 0);
    expectEqual("the first step", events.find(isStep)?.seq, 1);
  },

  "inputs and outputs come only with include=payloads": async ({ server, operations }) => {
    const { ended } = operations;
    const has = (event: StreamEvent) => "input" in event || "output" in event;
    const plain = await stepsOf(server, ended.operation_id);
    expect(!plain.some(has), "a step has an input or an output");
    if (!("result" in ended)) return;
    const full = await stepsOf(server, ended.operation_id, { include: "payloads" });
    expect(full.some(has), "no step has an input or an output");
  },
});

/** @throws Skipped if the scheduler of this server keeps no histories */
async function stepsOf(server: Server, id: string, query: Query = {}): Promise<StreamEvent[]> {
  const stream = await server.stream(pathOf(id), { query: { ...query, detail: "steps" } });
  const events = await stream.untilBye("terminal");
  const isMissing = events.some(({ problem }) => problem?.type.endsWith(":history-not-kept"));
  if (isMissing) throw new Skipped("the scheduler of this server keeps no histories");
  expect(events.some(isStep) || "after" in query, "no steps came");
  return events;
}

function isStep({ type }: StreamEvent): boolean {
  return type === "step";
}

function pathOf(id: string): string {
  return `api/operations/${id}/events`;
}
