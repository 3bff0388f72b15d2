import { checksOf } from "../check.ts";
import { expect, expectEqual, show } from "../expect.ts";

/** PROTOCOL.md, section 3, Errors and Request ids; section 8. */
export const PROBLEMS = checksOf("problems", {
  "an unknown operation is 404 operation-not-found": async ({ server, operations }) => {
    const id = operations.nextId();
    for (const end of ["", "/history", "/events", "/events?detail=steps"]) {
      await server.refused(404, "operation-not-found", `api/operations/${id}${end}`);
    }
  },

  "an id that cannot be one is 400 invalid-operation-id": async ({ server }) => {
    for (const operation_id of ["@a", "a".repeat(101), "ä", ""]) {
      const query = { operation_id };
      for (const path of ["api/operations", "api/events", "api/history"]) {
        const { status, body } = await server.request(path, { query });
        expectEqual(`status of ${path} for the id ${show(operation_id)}`, status, 400);
        const { type } = body;
        expect(/:invalid-(operation-id|query)$/.test(String(type)), `type is ${show(type)}`);
      }
    }
  },

  "parameters that are unknown, repeated or contradict each other are 400": async ({
    server,
    operations: { quiet },
  }) => {
    const path = `api/operations/${quiet.operation_id}`;
    const paths = [
      `${path}?unknown=1`,
      `${path}?include=output`,
      `${path}/events?detail=all`,
      `${path}/events?detail=status&detail=steps`,
      `${path}/events?include=payloads`,
      `${path}/history?after=x`,
      `api/events?prefix=a&operation_id=b`,
      `api/events?status=Running`,
      "api/caller?unknown=1",
    ];
    for (const each of paths) await server.refused(400, "invalid-query", each);
  },

  "an unknown path is 404 not-found": async ({ server }) => {
    await server.refused(404, "not-found", "api/no-such-path");
  },

  "a method that is not possible is 405, with those that are": async ({ server }) => {
    const { headers } = await server.refused(405, "method-not-allowed", "api/operations", {
      method: "PUT",
    });
    const allow = headers.get("allow") ?? "";
    for (const method of ["GET", "POST"]) expect(allow.includes(method), `Allow is ${show(allow)}`);
  },

  "the WebSocket's path is 426 for other requests": async ({ server }) => {
    await server.refused(426, "upgrade-required", "api/ws");
  },

  "more than 200 operations on one stream are 400": async ({ server, operations: { prefix } }) => {
    const ids = Array.from({ length: 201 }, (_, index) => `${prefix}${index}`.slice(-20));
    await server.refused(400, "invalid-query", "api/events", { query: { operation_id: ids } });
  },

  "an answer has the request's x-request-id, or a new one": async ({ server }) => {
    const idOf = async (id: string) => {
      const { headers } = await server.expect(200, "api/caller", {
        headers: { "x-request-id": id },
      });
      return headers.get("x-request-id") ?? "";
    };
    expectEqual("x-request-id", await idOf("conformance-1"), "conformance-1");
    for (const id of ["a b", "x".repeat(65)]) {
      const answered = await idOf(id);
      expect(answered !== id && answered !== "", `x-request-id is ${show(answered)}`);
    }
  },
});
