import { expect, test } from "vitest";
import { problemOf } from "./support/problem.ts";
import { exchange, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const ask = (path: string, init?: RequestInit) => fetch(new URL(path, stack.url), init);

test("an unknown parameter is 400 and named, on every path of the API", async () => {
  for (const path of [
    "/api/operations/x?wait=5",
    "/api/operations?operation_id=x&detail=steps",
    "/api/operations/x/events?last_event_id=1",
    "/api/operations/x/events?operation_id=y",
    "/api/operations/x/history?detail=steps",
    "/api/history?operation_id=x&prefix=y",
    "/api/events?ids=x",
    "/api/events?operationId=x",
    "/api/ws?prefix=x",
    "/api/ws?operation_id=x&detail=steps",
    "/api/ws?after=x",
    "/api/caller?verbose=1",
  ]) {
    const { detail } = await problemOf(await ask(path), 400, "invalid-query", path);
    expect(detail, path).toMatch(/^"[a-zA-Z_]+" is not known here\.$/);
  }
  const start = await ask("/api/start-operation?operation_id=x", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  await problemOf(start, 400, "invalid-query");
});

test("a parameter with a value that it cannot have is 400, and the detail says what it must be", async () => {
  for (const [path, detail] of [
    ["/api/operations/x/events?detail=all", '"detail" must be "status" or "steps".'],
    ["/api/operations/x/events?detail=steps&detail=steps", /^"detail" must be /],
    ["/api/operations/x/events?detail=steps&include=all", '"include" must be "payloads".'],
    ["/api/operations/x/events?after=a&after=b", /^"after" must be one id/],
    ["/api/operations/x/history?after=two", /^"after" must be the "seq" of a step/],
    ["/api/operations/x/history?after=-1", /^"after" must be the "seq" of a step/],
    ["/api/events?prefix=%40x", /^"prefix" must be the beginning of an operation id/],
    ["/api/events?prefix=a&prefix=b", /^"prefix" must be /],
    [`/api/events?prefix=${"x".repeat(101)}`, /^"prefix" must be /],
    ["/api/operations?operation_id=a&operation_id=b", /^"operation_id" must be the id of one/],
  ] as const) {
    const problem = await problemOf(await ask(path), 400, "invalid-query", path);
    if (typeof detail === "string") expect(problem.detail, path).toBe(detail);
    else expect(problem.detail, path).toMatch(detail);
  }
});

test("parameters that contradict each other are 400", async () => {
  for (const path of [
    "/api/events?operation_id=x&prefix=x",
    "/api/events?detail=steps",
    "/api/events?detail=steps&prefix=x",
    "/api/events?detail=steps&operation_id=x&prefix=x",
    "/api/events?detail=steps&operation_id=x&operation_id=y",
    "/api/events?operation_id=x&include=payloads",
    "/api/operations/x/events?include=payloads",
    "/api/operations/x/events?detail=status&include=payloads",
    `/api/events?${Array.from({ length: 201 }, (_, at) => `operation_id=x${at}`).join("&")}`,
  ]) {
    await problemOf(await ask(path), 400, "invalid-query", path);
  }
});

test("a handshake with an invalid query is a 400 before the upgrade", async () => {
  const answer = await exchange(
    stack.url,
    "GET /api/ws?detail=steps HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n" +
      "upgrade: websocket\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const { head, body } = splitAnswer(answer);
  expect(head).toMatch(/^HTTP\/1\.1 400 /);
  expect(JSON.parse(body)).toMatchObject({ type: "urn:dts-push:problem:invalid-query" });
});

test("pages and probes may have any query", async () => {
  for (const path of ["/?utm_source=x", "/base.css?v=2", "/healthz?x", "/readyz?x", "/metrics?x"]) {
    expect((await ask(path)).status, path).toBe(200);
  }
});
