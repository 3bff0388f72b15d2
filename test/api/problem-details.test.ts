import Fastify from "fastify";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { installProblemDetails } from "../../src/api/problem-details.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

test("a client error without a slug of its own is bad-request, with its status", async () => {
  const style = new URL("/base.css", stack.url);
  const range = await fetch(style, { headers: { range: "bytes=99999999-" } });
  await problemOf(range, 416, "bad-request");
  const condition = await fetch(style, { headers: { "if-match": '"no such version"' } });
  await problemOf(condition, 412, "bad-request");
});

test("an unexpected error is 500 internal; its message and stack are only in the log", async () => {
  const lines: string[] = [];
  const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const app = Fastify({ loggerInstance: logger });
  onTestFinished(() => app.close());
  installProblemDetails(app as never);
  app.get("/", async () => {
    throw new TypeError("s3cret is undefined");
  });
  const response = await fetch(await app.listen({ port: 0, host: "127.0.0.1" }));
  const problem = await problemOf(response, 500, "internal");
  expect(JSON.stringify(problem)).not.toContain("s3cret");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: 50,
    problem: "internal",
    err: { message: "s3cret is undefined", stack: expect.stringContaining("problem-details") },
  });
});
