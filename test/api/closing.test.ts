import { Agent, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { RawConnection } from "./support/raw-connection.ts";

/** The process has 10 s for its whole shutdown, of which the API is one part. */
const CLOSED_WITHIN_MS = 5000;
const AT_ONCE_MS = 1500;

async function startApi(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, overrides);
  return { api, scheduler, events: new URL("/api/operations/op/events", api.url) };
}

test("streams get bye drain and end cleanly, and do not delay closing", async () => {
  const { api, events } = await startApi();
  const sse = await SseClient.connect(events);
  const ws = await WsClient.connect(api.url, "/api/ws?operation_id=op");
  expect((await sse.next()).event).toBe("snapshot");
  await ws.nextOf("snapshot");

  await within("the API to close", api.stopApi(), AT_ONCE_MS);

  expect(await sse.next()).toMatchObject({
    event: "bye",
    data: { reason: "drain", reconnect: true, retry_ms: expect.any(Number) },
  });
  expect(await sse.ended()).toBe("ended");
  expect(await ws.nextOf("bye")).toMatchObject({ reason: "drain", reconnect: true });
  expect((await ws.closed()).code).toBe(1012);
});

test("a stream that was requested before the drain and opens after it gets bye drain at once", async () => {
  const { api, scheduler, events } = await startApi({ graceMs: 8000 });
  scheduler.set("late");
  const open = await SseClient.connect(events);
  expect((await open.next()).event).toBe("snapshot");
  scheduler.fault = { kind: "held" };
  const opening = SseClient.connect(new URL("/api/operations/late/events", api.url));
  await eventually("its read", () => scheduler.readsOf("late") > 0);
  const closed = api.stopApi();
  await open.untilBye();
  scheduler.fault = { kind: "none" };
  const late = await opening;
  expect((await late.untilBye()).map(({ data }) => data.reason)).toEqual(["drain"]);
  expect(await late.ended()).toBe("ended");
  await within("the API to close", closed);
});

test("clients that do not read do not delay closing", async () => {
  const { api, events } = await startApi();
  const sse = await SseClient.connect(events);
  const ws = await WsClient.connect(api.url, "/api/ws?operation_id=op");
  sse.pause();
  ws.socket.pause();
  await within("the API to close", api.stopApi(), CLOSED_WITHIN_MS);
});

test("idle keep-alive connections do not delay closing", async () => {
  const { api } = await startApi();
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  await new Promise<void>((resolve) => {
    const url = new URL("/healthz", api.url);
    request(url, { agent }, (answer) => answer.resume().on("end", resolve)).end();
  });
  await within("the API to close", api.stopApi(), AT_ONCE_MS);
});

test("a connection on which nothing was ever sent is closed at once, as browsers open them ahead", async () => {
  const { api } = await startApi();
  const ahead = await RawConnection.open(api.url);
  await fetch(new URL("/healthz", api.url));
  await within("the API to close", api.stopApi(), AT_ONCE_MS);
  expect(await ahead.untilClosed()).toBe("");
});

test("CLOSE-2: a request that is on its way when the server begins to close is answered", async () => {
  const { api } = await startApi();
  const client = await RawConnection.open(api.url);
  await fetch(new URL("/healthz", api.url)); // The server has accepted the connection before.
  const closed = api.stopApi();
  client.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const answer = await client.untilClosed();
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toMatch(/^connection: close\r$/im);
  await within("the API to close", closed, CLOSED_WITHIN_MS);
});

test("requests whose headers or body never end do not delay closing", async () => {
  const { api } = await startApi();
  const headers = await RawConnection.open(api.url);
  headers.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n");
  const body = await RawConnection.open(api.url);
  body.send(
    "POST /api/start-operation HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
      "content-length: 20\r\n\r\n{",
  );
  await fetch(new URL("/healthz", api.url));
  await within("the API to close", api.stopApi(), CLOSED_WITHIN_MS);
  await Promise.all([headers.untilClosed(), body.untilClosed()]);
});

test("a request under way is still answered", async () => {
  const { api, scheduler } = await startApi();
  scheduler.fault = { kind: "held" };
  const answer = fetch(new URL("/api/operations/op", api.url));
  const read = await scheduler.heldReads.take("the read of the request");
  const closed = api.stopApi();
  await refusesConnections(api.url);
  read.answer(instance());
  expect(await (await answer).json()).toMatchObject({ status: "RUNNING" });
  await within("the API to close", closed, AT_ONCE_MS);
});

test("a stream that is requested while the API closes is 200 with bye drain, so that EventSource reconnects", async () => {
  const { api } = await startApi();
  const client = await RawConnection.open(api.url);
  client.send("GET /api/operations/op/events HTTP/1.1\r\nhost: localhost\r\n");
  await fetch(new URL("/healthz", api.url));
  const closed = api.stopApi();
  await refusesConnections(api.url);
  client.send("\r\n");
  const answer = await client.untilClosed();
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain("content-type: text/event-stream");
  expect(answer).toMatch(/^retry: \d+$/m);
  expect(answer).toMatch(/^event: bye\ndata: \{"type":"bye","reason":"drain","reconnect":true,/m);
  await within("the API to close", closed, CLOSED_WITHIN_MS);
});

/** Until the server no longer listens, which is when it has begun to close. */
async function refusesConnections(url: URL): Promise<void> {
  await eventually("new connections to be refused", () =>
    fetch(new URL("/healthz", url), { headers: { connection: "close" } }).then(
      () => false,
      () => true,
    ),
  );
}
