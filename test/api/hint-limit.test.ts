import Fastify from "fastify";
import { expect, test } from "vitest";
import { unrestricted } from "../../src/access.ts";
import { addRateLimits, limitHints } from "../../src/api/limits/rate-limits.ts";
import { installProblemDetails } from "../../src/api/problem-details.ts";
import { eventually } from "../helpers/deadline.ts";

test("a caller that sends hints without end is refused for a moment, and others are not", async () => {
  const app = Fastify();
  installProblemDetails(app);
  await addRateLimits(app);
  app.addHook("onRequest", async (request) => {
    request.access = unrestricted(String(request.headers["x-caller"]));
  });
  limitHints(app);
  app.post("/api/hints", { config: { scope: "hints:send" } }, async (_request, reply) =>
    reply.code(204).send(),
  );
  const send = (caller: string) =>
    app.inject({ method: "POST", url: "/api/hints", headers: { "x-caller": caller } });
  const refused = await eventually("a refusal", async () => {
    const answers = await Promise.all(Array.from({ length: 400 }, () => send("flood")));
    return answers.find(({ statusCode }) => statusCode === 429);
  });
  expect(refused.headers["retry-after"]).toBe("1");
  expect(refused.json()).toMatchObject({ type: "urn:dts-push:problem:rate-limited" });
  expect((await send("other")).statusCode).toBe(204);
  await app.close();
});
