import { checksOf } from "../check.ts";
import { expect, expectEqual, show } from "../expect.ts";

/** PROTOCOL.md, section 3: what is about the server rather than an operation. */
export const OTHER_REQUESTS = checksOf("requests", {
  "a health check needs no credential": async ({ server }) => {
    for (const path of ["healthz", "readyz"]) await server.expect(200, path, { token: null });
  },

  "the protocol is there as OpenAPI and AsyncAPI": async ({ server }) => {
    for (const [path, key] of Object.entries({
      "openapi.json": "openapi",
      "asyncapi.json": "asyncapi",
    })) {
      const { body } = await server.expect(200, path, { token: null });
      expect(/^3[.]/.test(String(body[key])), `${key} is ${show(body[key])}`);
    }
  },

  "a hint is accepted, for any id": async ({ server, operations: { prefix, quiet } }) => {
    const json = { operation_ids: [quiet.operation_id, `${prefix}none`] };
    const { body } = await server.expect(204, "api/hints", { method: "POST", json });
    expectEqual("body", body, {});
  },
});
