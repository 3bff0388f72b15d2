import { expect, test } from "vitest";
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

const ask = (path: string) => fetch(new URL(path, stack.url));

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

test("ids that cannot be are 400 on every path, and never reach the scheduler", async () => {
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
    `GET /api/operations/${"x".repeat(20_000)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
  );
  const { head, body } = splitAnswer(answer);
  expect(head).toMatch(/^HTTP\/1\.1 431 /);
  expect(head).toContain("content-type: application/problem+json");
  expect(JSON.parse(body)).toMatchObject({ type: "urn:dts-push:problem:headers-too-large" });
});

test("a cursor that no server gave is treated as none", async () => {
  const id = await stack.client.scheduleNewOrchestration("unserved", undefined, "with-cursor");
  for (const cursor of ["", "1", "%00", "x".repeat(5000), "1.zzzzzzzzz.zzzzzzzzz.pzzzzzzzzzz"]) {
    const abort = new AbortController();
    const response = await fetch(
      new URL(`/api/operations/${id}/events?after=${cursor}&after=x`, stack.url),
      { headers: { "last-event-id": "never\tgiven" }, signal: abort.signal },
    );
    expect(response.status).toBe(200);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("event: snapshot")) text += (await reader?.read())?.value ?? "";
    abort.abort();
  }
});
