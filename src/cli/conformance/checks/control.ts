import { setTimeout as delay } from "node:timers/promises";
import { checksOf } from "../check.ts";
import { expect, expectEqual } from "../expect.ts";
import { stateOf } from "../test-operations.ts";

const POST = "POST";
const READ_EVERY_MS = 100;

/** PROTOCOL.md, section 3, Control and Purge. */
export const CONTROL = checksOf("control", {
  "terminate ends an operation, with its reason, before the eyes of who watches": async ({
    server,
    operations,
  }) => {
    const id = await operations.startQuiet(server);
    const stream = await server.stream(`${pathOf(id)}/events`);
    await stream.next("a snapshot");
    await operations.terminate(server, id);
    const events = await stream.untilBye("terminal");
    const [last] = events.filter(({ type }) => type === "update").slice(-1);
    expectEqual("status", last?.operation?.status, "TERMINATED");
    expectEqual("result", last?.operation?.result, "conformance");
  },

  "a verb that the state does not allow is 409, with the state": async ({
    server,
    operations: { terminated, quiet },
  }) => {
    for (const verb of ["suspend", "resume", "terminate", "rewind"]) {
      const path = `${pathOf(terminated.operation_id)}/${verb}`;
      const { body } = await server.refused(409, "wrong-state", path, { method: POST, json: {} });
      expectEqual("operation_status", body.operation_status, "TERMINATED");
    }
    const restart = `${pathOf(quiet.operation_id)}/restart`;
    await server.refused(409, "wrong-state", restart, { method: POST, json: {} });
  },

  "202 has the document and a Location": async ({ server, operations: { quiet } }) => {
    const id = quiet.operation_id;
    const path = `${pathOf(id)}/events/conformance`;
    const { headers, body } = await server.expect(202, path, { method: POST, json: { a: 1 } });
    expect(headers.has("location"), "Location is missing");
    expectEqual("operation_id", body.operation_id, id);
  },

  "the id may stand in the query": async ({ server, operations: { terminated } }) => {
    const query = { operation_id: terminated.operation_id };
    const request = { method: POST, query, json: {} };
    await server.refused(409, "wrong-state", "api/terminate", request);
  },

  "an unknown key is 400, and an unknown operation 404": async ({ server, operations }) => {
    const path = `${pathOf(operations.quiet.operation_id)}/suspend`;
    await server.refused(400, "invalid-body", path, { method: POST, json: { unknown: 1 } });
    const unknown = `${pathOf(operations.nextId())}/suspend`;
    await server.refused(404, "operation-not-found", unknown, { method: POST, json: {} });
  },

  "restart runs a terminal operation again": async ({ server, operations }) => {
    const id = await operations.startLive(server);
    const first = await server.stream(`${pathOf(id)}/events`);
    const before = (await first.untilBye("terminal")).at(-2)?.operation;
    const path = `${pathOf(id)}/restart`;
    const { headers, body } = await server.expect(202, path, { method: POST, json: {} });
    expect(headers.has("location"), "Location is missing");
    expectEqual("operation_id", body.operation_id, id);
    for (;;) {
      const state = await stateOf(server, id);
      if (state.created_at !== before?.created_at) return;
      server.waitingFor = "a new created_at";
      await delay(READ_EVERY_MS, undefined, { signal: server.signal });
    }
  },

  "purge deletes a terminal operation, and is 409 for an active one": async ({
    server,
    operations,
  }) => {
    const DELETE = { method: "DELETE" };
    await server.refused(409, "wrong-state", pathOf(operations.quiet.operation_id), DELETE);
    const id = await operations.startQuiet(server);
    const stream = await server.stream(`${pathOf(id)}/events`);
    await operations.terminate(server, id);
    await stream.untilBye("terminal");
    await server.expect(204, pathOf(id), DELETE);
    for (const path of [pathOf(id), `${pathOf(id)}/events`, `${pathOf(id)}/history`]) {
      await server.refused(404, "operation-not-found", path);
    }
    await server.refused(404, "operation-not-found", pathOf(id), DELETE);
  },

  "a purge by filter says how many, and needs a filter": async ({ server, operations }) => {
    const query = { prefix: `${operations.prefix}none-` };
    const { body } = await server.expect(200, "api/operations", { method: "DELETE", query });
    expectEqual("the answer", body, { deleted: 0, complete: true });
    await server.refused(400, "invalid-query", "api/operations", { method: "DELETE" });
  },
});

function pathOf(id: string): string {
  return `api/operations/${id}`;
}
