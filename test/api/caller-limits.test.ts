import Fastify from "fastify";
import { expect, test } from "vitest";
import { callerAddress } from "../../src/api/access/caller-address.ts";
import { parseTrustedProxies } from "../../src/api/access/trusted-proxies.ts";
import { addRateLimits, limitAuthFailures } from "../../src/api/limits/rate-limits.ts";
import { installProblemDetails } from "../../src/api/problem-details.ts";
import type { Config } from "../../src/config.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { checkProblem, problemOf } from "./support/problem.ts";

const EVENTS = "/api/operations/op/events";

/** An API behind a proxy, at which a client's name is what the proxy forwards. */
async function startApi(overrides: Partial<Config>) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const trustedProxies = parseTrustedProxies("1");
  const { url } = await startTestApi(scheduler.address, { ...overrides, trustedProxies });
  const stream = (caller: string, path = EVENTS) =>
    SseClient.connect(new URL(path, url), { "x-forwarded-for": caller });
  return { scheduler, url, stream };
}

test("starts and changes of one caller are limited by the minute, and nothing else is", async () => {
  const { url } = await startTestApi(await startTestScheduler(), {
    maxCommandsPerMinutePerCaller: 2,
    trustedProxies: parseTrustedProxies("1"),
  });
  const start = (caller: string, body = "{}") =>
    fetch(new URL("/api/start-operation", url), {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": caller },
      body,
    });
  expect((await start("192.0.2.1")).status).toBe(202);
  expect((await start("192.0.2.1", "nonsense")).status).toBe(400);
  const refused = await start("192.0.2.1");
  const retryAfterS = Number(refused.headers.get("retry-after"));
  expect(retryAfterS).toBeGreaterThanOrEqual(1);
  expect(retryAfterS).toBeLessThanOrEqual(60);
  const { detail } = await problemOf(refused, 429, "rate-limited");
  expect(detail).toContain("2 times a minute");
  const purge = await fetch(new URL("/api/operations/op", url), {
    method: "DELETE",
    headers: { "x-forwarded-for": "192.0.2.1" },
  });
  await problemOf(purge, 429, "rate-limited");
  expect((await start("192.0.2.2")).status).toBe(202);
  const read = await fetch(new URL("/api/operations/op", url), {
    headers: { "x-forwarded-for": "192.0.2.1" },
  });
  expect(read.status).toBe(404);
});

test("streams of one caller are limited over all transports, and others have theirs", async () => {
  const { url, stream } = await startApi({ maxConnectionsPerCaller: 2, heartbeatMs: 200 });
  const first = await stream("127.0.0.1");
  expect((await first.next()).event).toBe("snapshot");
  const socket = await WsClient.connect(url, "/api/ws?operation_id=op");
  await socket.nextOf("snapshot");

  const refused = await stream("127.0.0.1");
  expect(refused.status).toBe(200);
  expect((await refused.next()).data).toMatchObject({ reason: "drain", reconnect: true });
  expect(await refused.ended()).toBe("ended");
  expect(refused.retries.length).toBeGreaterThan(0);
  const refusedFeed = await stream("127.0.0.1", "/api/events");
  expect((await refusedFeed.next()).data).toMatchObject({ type: "bye", reason: "drain" });
  const refusedSocket = await WsClient.connect(url, "/api/ws?operation_id=op");
  expect(await refusedSocket.next()).toMatchObject({ type: "bye", reason: "drain" });
  expect((await refusedSocket.closed()).code).toBe(1013);
  expect((await (await stream("192.0.2.1")).next()).event).toBe("snapshot");

  // A long-poll is answered at once, without the header that says that it would wait.
  const operation = await fetch(new URL("/api/operations/op", url));
  const headers = { prefer: "wait=30", "if-none-match": operation.headers.get("etag") ?? "" };
  const polled = await fetch(new URL("/api/operations/op", url), { headers });
  expect(polled.status).toBe(304);
  expect(polled.headers.has("preference-applied")).toBe(false);
  expect(polled.headers.has("retry-after")).toBe(true);

  first.destroy();
  await eventually("room for another stream", async () => {
    const client = await stream("127.0.0.1");
    const { event } = await client.next();
    client.destroy();
    return event === "snapshot";
  });
});

test("a burst of requests for streams gets no more of them than one caller may have", async () => {
  const { scheduler, stream } = await startApi({ maxConnectionsPerCaller: 3 });
  scheduler.fault = { kind: "held" }; // each read waits, and the streams open when it is answered
  const events: string[] = [];
  const firsts = Array.from({ length: 12 }, async () => {
    const client = await stream("192.0.2.1");
    events.push((await client.next()).event);
  });
  const read = await scheduler.heldReads.take("the read for all streams");
  await eventually("the other requests to be refused", () => events.length === 9);
  expect(new Set(events)).toEqual(new Set(["bye"]));
  read.answer(instance());
  await Promise.all(firsts);
  expect(events.slice(9)).toEqual(["snapshot", "snapshot", "snapshot"]);
});

test("an address that has sent too many invalid credentials is refused for a while", async () => {
  const app = Fastify();
  installProblemDetails(app);
  await addRateLimits(app);
  const failures = limitAuthFailures(app, { maxAuthFailuresPerMinute: 3 });
  app.get("/", async (request) => {
    const address = callerAddress(request);
    await failures.check(address);
    const { key } = request.query as { key: string };
    if (key !== "right") await failures.count(address);
    return key;
  });
  const send = async (key: string, remoteAddress: string) => {
    const { statusCode, headers, body } = await app.inject({
      url: "/",
      query: { key },
      remoteAddress,
    });
    return { statusCode, retryAfter: headers["retry-after"], body };
  };
  for (const key of ["a", "b", "right", "right", "c"]) {
    expect((await send(key, "192.0.2.1")).statusCode).toBe(200);
  }
  for (const key of ["d", "right"]) {
    const { statusCode, retryAfter, body } = await send(key, "192.0.2.1");
    expect(statusCode).toBe(429);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    checkProblem(body, 429, "rate-limited");
  }
  expect((await send("right", "192.0.2.2")).statusCode).toBe(200);
  for (const host of ["1", "2", "3"]) await send("wrong", `2001:db8::${host}`);
  expect((await send("right", "2001:db8::4")).statusCode).toBe(429);
  expect((await send("right", "2001:db8:0:1::4")).statusCode).toBe(200);
});

test("limits of 0 are none", async () => {
  const app = Fastify();
  await addRateLimits(app);
  const { check, count } = limitAuthFailures(app, { maxAuthFailuresPerMinute: 0 });
  app.get("/", async ({ ip }) => {
    await count(ip);
    await check(ip);
    return "answered";
  });
  for (let count = 0; count < 5; count += 1) expect((await app.inject("/")).statusCode).toBe(200);
});
