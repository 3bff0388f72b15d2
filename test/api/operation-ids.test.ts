import { expect, test } from "vitest";
import { SseClient } from "../helpers/sse-client.ts";
import { problemOf } from "./support/problem.ts";
import { exchange, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const IN_PATH = [
  (id: string) => `/api/operations/${id}`,
  (id: string) => `/api/operations/${id}/events`,
  (id: string) => `/api/operations/${id}/history`,
];
/** Every path that takes an id. The last is a WebSocket's, asked without an upgrade. */
const PATHS = [
  ...IN_PATH,
  (id: string) => `/api/events?operation_id=${id}`,
  (id: string) => `/api/ws?operation_id=${id}`,
];

/** The same resources for ids that a path cannot carry. */
const BY_QUERY = [
  (id: string) => `/api/operations?operation_id=${id}`,
  (id: string) => `/api/history?operation_id=${id}`,
  (id: string) => `/api/events?operation_id=${id}&detail=steps`,
];

const ask = (path: string) => fetch(new URL(path, stack.url));

function start(body: object): Promise<Response> {
  return fetch(new URL("/api/start-operation", stack.url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

test("ids of 1 to 100 printable characters are looked up", async () => {
  for (const id of [
    "x",
    "y".repeat(100),
    "a@b",
    "!\"#$&'()*+,-.:;<=>?[\\]^_`{|}~",
    "with a space",
    " ",
    "a/b",
    "/",
    "a%2Fb",
    "100%",
    "__proto__",
    "constructor",
  ]) {
    for (const path of IN_PATH) {
      const response = await ask(path(encodeURIComponent(id)));
      const problem = await problemOf(response, 404, "operation-not-found", path(id));
      expect(problem.operation_id).toBe(id);
      expect(problem.detail).toBe(`Operation ${id} not found`);
    }
  }
});

test("an operation is found under an id that needs encoding", async () => {
  for (const id of ["a/b c", "50% of {x}", "q?x=1#y"]) {
    await stack.client.scheduleNewOrchestration("unserved", undefined, id);
    const body = await (await ask(`/api/operations/${encodeURIComponent(id)}`)).json();
    expect(body, id).toMatchObject({ operation_id: id, status: "PENDING" });
  }
});

test("every id is found by query, also those that a path cannot carry", async () => {
  for (const id of [".", "..", "a/b", "a//b", "a%2Fb", "back\\slash", "t+1&x=2#y"]) {
    const response = await start({ operation_id: id });
    expect(response.status, id).toBe(202);
    const started = (await response.json()) as { status_url: string; events_url: string };
    const query = `operation_id=${encodeURIComponent(id)}`;
    for (const url of [started.status_url, `/api/operations?${query}`]) {
      const answer = await ask(url);
      expect(answer.status, url).toBe(200);
      expect(answer.headers.get("etag"), url).toMatch(/^W\/"/);
      expect(await answer.json(), url).toMatchObject({ operation_id: id });
    }
    for (const url of [started.events_url, `/api/events?${query}&detail=steps`]) {
      const client = await SseClient.connect(new URL(url, stack.url));
      const { data } = await client.nextState();
      expect(data, url).toMatchObject({ type: "snapshot", operation: { operation_id: id } });
      client.destroy();
    }
    const history = await ask(`/api/history?${query}`);
    expect(await history.json(), id).toMatchObject({ operation_id: id, steps: expect.any(Array) });
  }
});

test("the URLs of a started operation name it in the path where that is safe", async () => {
  const response = await start({ operation_id: "order:1 (x)" });
  expect(await response.json()).toMatchObject({
    status_url: "/api/operations/order%3A1%20(x)",
    events_url: "/api/operations/order%3A1%20(x)/events",
  });
});

test("a query for one operation must name exactly one that exists", async () => {
  for (const path of BY_QUERY) {
    await problemOf(await ask(path("unheard-of")), 404, "operation-not-found", path("unheard-of"));
    await problemOf(await ask(path("a&operation_id=b")), 400, "invalid-query", path("a, b"));
    await problemOf(await ask(path("%40x")), 400, "invalid-operation-id", path("@x"));
  }
  for (const path of ["/api/history", "/api/events?detail=steps"]) {
    await problemOf(await ask(path), 400, "invalid-query", path);
  }
});

test("invalid ids are 400 on every path, and never reach the scheduler", async () => {
  for (const id of [
    "z".repeat(101),
    "z".repeat(10_000),
    "@x",
    "@",
    "%40x",
    "%00",
    "a%00b",
    "%0A",
    "a%0D%0Ab",
    "%7F",
    "%1F",
    "%C3%A9",
    "%E4%BB%BB",
    "%F0%9F%98%80",
    "%C2%A0",
  ]) {
    for (const path of PATHS) {
      await problemOf(await ask(path(id)), 400, "invalid-operation-id", path(id));
    }
  }
  await problemOf(await ask("/api/ws?operation_id="), 400, "invalid-operation-id");
  await problemOf(await ask("/api/ws?operation_id=a&operation_id=@b"), 400, "invalid-operation-id");
});

test("an empty id is 400", async () => {
  await problemOf(await ask("/api/operations/"), 400, "invalid-operation-id");
  await problemOf(await ask("/api/operations//events"), 400, "invalid-operation-id");
});

test("a percent-encoding that cannot be decoded is 400", async () => {
  for (const id of ["%", "%zz", "%2", "a%E0%A4%A", "%C3", "%FF", "%ED%A0%80"]) {
    for (const path of IN_PATH) {
      await problemOf(await ask(path(id)), 400, "invalid-url", path(id));
    }
  }
});

test("a path of 20 KB is refused with a problem", async () => {
  const answer = await exchange(
    stack.url,
    `GET /api/operations/${"x".repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
  );
  const { head, body } = splitAnswer(answer);
  expect(head).toMatch(/^HTTP\/1\.1 431 /);
  expect(head).toContain("content-type: application/problem+json");
  expect(JSON.parse(body)).toMatchObject({ type: "urn:dts-push:problem:headers-too-large" });
});

test("an unreadable cursor counts as none", async () => {
  const id = await stack.client.scheduleNewOrchestration("unserved", undefined, "with-cursor");
  for (const cursor of ["", "1", "%00", "x".repeat(5000), "1.zzzzzzzzz.zzzzzzzzz.pzzzzzzzzzz"]) {
    const abort = new AbortController();
    const response = await fetch(
      new URL(`/api/operations/${id}/events?after=${cursor}`, stack.url),
      { headers: { "last-event-id": "never\tgiven" }, signal: abort.signal },
    );
    expect(response.status).toBe(200);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("event: snapshot")) text += (await reader?.read())?.value ?? "";
    abort.abort();
  }
});
