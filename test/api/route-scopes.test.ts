import Fastify from "fastify";
import { expect, test } from "vitest";
import { authenticate, checkScopes } from "../../src/api/access/authentication.ts";
import { createAuthenticator } from "../../src/api/credentials/authenticator.ts";
import { Verifier } from "../../src/api/credentials/verifier.ts";
import { recordRoutes } from "../../src/api/http/route-table.ts";
import { readConfig } from "../../src/config.ts";
import { logger } from "../helpers/stack.ts";

const NO_LIMIT = { check: async () => undefined, count: async () => undefined };
const OPEN = new Verifier(createAuthenticator(readConfig({}).credentials, logger), NO_LIMIT);

test("a server with a route that does not declare its scope does not start (ACCESS-4)", async () => {
  const app = Fastify();
  recordRoutes(app);
  app.get("/declared", { config: { scope: "operations:read" } }, async () => "declared");
  app.get("/public", { config: { scope: "public" } }, async () => "public");
  expect(() => checkScopes(app.routeTable)).not.toThrow();
  app.post("/forgotten", async () => "forgotten");
  expect(() => checkScopes(app.routeTable)).toThrow("Routes without a scope: POST /forgotten");
});

test("a route without a scope answers no caller (ACCESS-4)", async () => {
  const app = Fastify();
  authenticate(app, OPEN);
  app.get("/forgotten", async () => "forgotten");
  const { statusCode, body } = await app.inject("/forgotten");
  expect(statusCode).toBe(500);
  expect(body).not.toContain("forgotten");
});
