import { checksOf } from "../check.ts";
import { expect, expectEqual, Skipped } from "../expect.ts";
import type { Server } from "../server.ts";
import { expectProblem } from "../wire.ts";

const POST = "POST";
/** An origin that no server lists. */
const ORIGIN = "https://conformance.invalid";

/** PROTOCOL.md, section 7. */
export const ACCESS = checksOf("access", {
  "a page of another origin cannot start anything": async ({ server, operations }) => {
    const json = operations.body({ operation_id: operations.nextId() });
    const request = { method: POST, json, headers: { origin: ORIGIN } };
    await server.refused(403, "origin-not-allowed", "api/operations", request);
  },

  "a page of another origin cannot read": async ({ server, operations: { quiet } }) => {
    const path = `api/operations/${quiet.operation_id}`;
    const { headers } = await server.request(path, { headers: { origin: ORIGIN } });
    expect(!headers.has("access-control-allow-origin"), "CORS permits it");
    expectEqual("X-Content-Type-Options", headers.get("x-content-type-options"), "nosniff");
  },

  "a caller gets its name and its scopes": async ({ server }) => {
    const { body } = await server.expect(200, "api/caller");
    expectEqual("type of caller", typeof body.caller, "string");
    expect(Array.isArray(body.scopes), "there is no list of scopes");
  },

  "without a credential a request is 401": async ({ server, operations: { quiet } }) => {
    await requireCredentials(server);
    const path = `api/operations/${quiet.operation_id}`;
    for (const token of [null, "not-a-credential"]) {
      for (const each of [path, `${path}/events`, "api/events", "api/operations"]) {
        const { headers } = await server.refused(401, "unauthenticated", each, { token });
        expect(headers.has("www-authenticate"), "WWW-Authenticate is missing");
      }
    }
  },

  "a WebSocket whose auth is not valid is closed with 4401": async ({ server }) => {
    await requireCredentials(server);
    const socket = await server.socket({}, "not-a-credential");
    const { problem } = await socket.expect("problem", { type: "problem" });
    expectProblem(problem, 401, "unauthenticated");
    await socket.closed(4401);
  },

  "a stream token opens streams by the URL, for its operations only": async ({
    server,
    operations: { quiet, ended },
  }) => {
    await requireCredentials(server);
    const json = { operation_ids: [quiet.operation_id], ttl_s: 60 };
    const { body } = await server.expect(201, "api/stream-tokens", { method: POST, json });
    const access_token = String(body.token);
    const pathOf = (id: string) => `api/operations/${id}/events`;
    const byUrl = { token: null, query: { access_token } };
    const stream = await server.stream(pathOf(quiet.operation_id), byUrl);
    await stream.next("a snapshot");
    await server.refused(404, "operation-not-found", pathOf(ended.operation_id), byUrl);
    const status = await server.request(`api/operations/${quiet.operation_id}`, byUrl);
    expect(status.status >= 400, "a status request accepts a token in its URL");
    const both = { query: { access_token } };
    const two = await server.request(pathOf(quiet.operation_id), both);
    expectEqual("status with two credentials", two.status, 400);
  },
});

/** @throws Skipped if everybody may do everything */
async function requireCredentials(server: Server): Promise<void> {
  const { body } = await server.expect(200, "api/caller");
  if (body.authentication === "none") throw new Skipped("the server has no credentials configured");
}
