import Fastify from "fastify";
import { expect, test } from "vitest";
import { authenticate } from "../../src/api/access/authentication.ts";

test("a server with a route that does not declare its scope does not start (ACCESS-4)", async () => {
  const app = Fastify();
  const authentication = authenticate(app);
  app.get("/declared", { config: { scope: "operations:read" } }, async () => "declared");
  app.get("/public", { config: { scope: "public" } }, async () => "public");
  expect(() => authentication.complete()).not.toThrow();
  app.post("/forgotten", async () => "forgotten");
  expect(() => authentication.complete()).toThrow("Routes without a scope: POST /forgotten");
});

test("a route without a scope answers nobody (ACCESS-4)", async () => {
  const app = Fastify();
  authenticate(app);
  app.get("/forgotten", async () => "forgotten");
  const { statusCode, body } = await app.inject("/forgotten");
  expect(statusCode).toBe(500);
  expect(body).not.toContain("forgotten");
});
