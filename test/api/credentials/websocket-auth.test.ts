import { afterAll, afterEach, expect, test, vi } from "vitest";
import { createKey, createKeyFile } from "../../helpers/api-key.ts";
import { OidcIssuer } from "../../helpers/oidc-issuer.ts";
import { instance } from "../../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../../helpers/stack.ts";
import { WsClient } from "../../helpers/ws-client.ts";
import { useSharedStack } from "../support/shared-stack.ts";

const reader = createKey("reader", "operations:read");
const narrow = createKey("narrow", "operations:read:mine-*");
const starter = createKey("starter", "operations:start");
const file = createKeyFile(reader.line, narrow.line, starter.line);
let issuer: OidcIssuer;
const stack = useSharedStack({
  config: async () => {
    issuer = await OidcIssuer.start();
    const credentials = {
      apiKeysFile: file.path,
      issuer: issuer.options,
      streamTokenSecrets: ["s".repeat(32)],
    };
    return { heartbeatMs: 3_600_000, maxAuthFailuresPerMinute: 10, credentials };
  },
});
afterAll(() => {
  issuer.close();
  file.remove();
});
afterEach(() => {
  issuer.mode = "up";
  vi.useRealTimers();
});

const connect = (query = "") => WsClient.connect(stack.url, `/api/ws${query}`);
const slugOf = ({ problem }: Record<string, { type: string }>) =>
  problem?.type.replace("urn:dts-push:problem:", "");

test("what is sent right behind the first auth waits for its outcome, in order (WS-AUTH-2)", async () => {
  await stack.client.scheduleNewOrchestration("unserved", undefined, "mine-1");
  const socket = await connect("?operation_id=mine-1");
  socket.send({ type: "auth", token: reader.key });
  socket.send({ type: "ping" });
  socket.send({ type: "subscribe", sub: "a", operation_id: "mine-1" });
  expect(await socket.next()).toEqual({ type: "authenticated" });
  expect(await socket.next()).toMatchObject({ type: "subscribed", sub: "1" });
  expect(await socket.next()).toEqual({ type: "pong" });
  expect(await socket.next()).toMatchObject({ type: "subscribed", sub: "a" });
  const snapshots = [await socket.nextOf("snapshot"), await socket.nextOf("snapshot")];
  expect(snapshots.map(({ sub }) => sub)).toEqual(["1", "a"]);
});

test("anything but auth before it is known who the client is closes with 4401 (WS-AUTH-1)", async () => {
  for (const message of [
    { type: "ping" },
    { type: "subscribe", sub: "a", operation_id: "mine-1" },
    { type: "unsubscribe", sub: "a" },
  ]) {
    const socket = await connect("?operation_id=mine-1");
    socket.send(message);
    expect(slugOf(await socket.next())).toBe("unauthenticated");
    expect(await socket.closed()).toEqual({ code: 4401, reason: "unauthenticated" });
    expect(socket.waiting).toEqual([]);
  }
});

test("a client that does not authenticate within 10 s is closed with 4401 (WS-AUTH-1)", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const socket = await connect();
  vi.advanceTimersByTime(10_000);
  expect(slugOf(await socket.next())).toBe("unauthenticated");
  expect((await socket.closed()).code).toBe(4401);
});

test("a first credential that is not valid, may not read or cannot be verified closes", async () => {
  const unknownKey = { header: { kid: "unknown" } };
  for (const [token, slug, code] of [
    ["unknown", "unauthenticated", 4401],
    [await issuer.token(["operations:read"], { expiresInS: -1 }), "unauthenticated", 4401],
    [starter.key, "forbidden", 4403],
    [await issuer.token(["operations:start"]), "forbidden", 4403],
  ] as const) {
    const socket = await connect();
    socket.send({ type: "auth", token });
    expect(slugOf(await socket.next())).toBe(slug);
    expect(await socket.closed()).toEqual({ code, reason: slug });
  }
  issuer.mode = "down";
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.advanceTimersByTime(3_600_000); // So that the issuer is asked again.
  const socket = await connect();
  socket.send({ type: "auth", token: await issuer.token(["operations:read"], unknownKey) });
  expect(slugOf(await socket.next())).toBe("authentication-unavailable");
  expect((await socket.closed()).code).toBe(1013);
});

test("a message that is not one of the protocol closes with 4400, whether the client is known or not", async () => {
  for (const message of ["{}", { type: "auth" }, { type: "auth", token: 7 }]) {
    const socket = await connect();
    socket.send(message);
    expect(slugOf(await socket.next())).toBe("bad-message");
    expect((await socket.closed()).code).toBe(4400);
  }
});

test("a renewal keeps every subscription but those that the new credential does not permit", async () => {
  await stack.client.scheduleNewOrchestration("unserved", undefined, "mine-2");
  await stack.client.scheduleNewOrchestration("unserved", undefined, "other-2");
  const socket = await connect();
  socket.send({ type: "auth", token: await issuer.token(["operations:read"]) });
  expect(await socket.next()).toMatchObject({
    type: "authenticated",
    expires_at: expect.any(String),
  });
  for (const id of ["mine-2", "other-2"]) {
    socket.send({ type: "subscribe", sub: id, operation_id: id });
    await socket.nextOf("snapshot");
  }
  socket.send({ type: "auth", token: await issuer.token(["operations:read:mine-*"]) });
  expect((await socket.next()).type).toBe("authenticated");
  expect(await socket.next()).toEqual({
    type: "unsubscribed",
    sub: "other-2",
    operation_id: "other-2",
    reason: "forbidden",
  });
  socket.send({ type: "subscribe", sub: "again", operation_id: "other-2" });
  expect((await socket.next()).type).toBe("subscribed");
  expect(slugOf(await socket.next())).toBe("operation-not-found");
  expect(await socket.next()).toMatchObject({ type: "unsubscribed", reason: "not-found" });
  socket.send({ type: "unsubscribe", sub: "mine-2" });
  expect(await socket.next()).toMatchObject({ sub: "mine-2", reason: "requested" });
});

test("a renewal that is refused changes nothing, and another caller's token is (WS-AUTH-3)", async () => {
  await stack.client.scheduleNewOrchestration("unserved", undefined, "mine-3");
  const socket = await connect("?operation_id=mine-3");
  socket.send({ type: "auth", token: await issuer.token(["operations:read"]) });
  await socket.nextOf("snapshot");
  for (const [token, slug] of [
    ["unknown", "unauthenticated"],
    [await issuer.token(["operations:read"], { expiresInS: -1 }), "unauthenticated"],
    [reader.key, "other-caller"],
    [await issuer.token(["operations:read"], { claims: { sub: "bob" } }), "other-caller"],
  ] as const) {
    socket.send({ type: "auth", token });
    const message = await socket.next();
    expect(slugOf(message)).toBe(slug);
    expect(message.sub).toBeUndefined();
  }
  socket.send({ type: "ping" });
  expect(await socket.next()).toEqual({ type: "pong" });
  socket.send({ type: "auth", token: await issuer.token(["operations:start"]) });
  expect(slugOf(await socket.next())).toBe("forbidden");
  expect((await socket.closed()).code).toBe(4403);
});

test("guesses are counted by address, over requests and messages (MAX_AUTH_FAILURES_PER_MINUTE)", async () => {
  const socket = await connect();
  socket.send({ type: "auth", token: reader.key });
  await socket.next();
  let slug: string | undefined;
  for (let count = 0; count < 20 && slug !== "rate-limited"; count += 1) {
    socket.send({ type: "auth", token: `guess-${count}` });
    slug = slugOf(await socket.next());
  }
  expect(slug).toBe("rate-limited");
  const url = new URL("/api/caller", stack.url);
  const response = await fetch(url, { headers: { authorization: `Bearer ${reader.key}` } });
  expect(response.status).toBe(429);
});

test("a caller's limit of streams holds for those that authenticate by message", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address, {
    maxConnectionsPerCaller: 1,
    credentials: file.credentials,
  });
  const first = await WsClient.connect(url);
  first.send({ type: "auth", token: reader.key });
  expect((await first.next()).type).toBe("authenticated");
  const second = await WsClient.connect(url);
  second.send({ type: "auth", token: reader.key });
  expect(await second.next()).toMatchObject({ type: "bye", reason: "drain" });
  expect((await second.closed()).code).toBe(1013);
});

test("where no credentials are configured auth is answered, and nothing is asked for", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address);
  const socket = await WsClient.connect(url, "/api/ws?operation_id=op");
  expect((await socket.next()).type).toBe("subscribed");
  await socket.nextOf("snapshot");
  socket.send({ type: "auth", token: "anything" });
  expect(await socket.next()).toEqual({ type: "authenticated" });
  const headers = { authorization: "Bearer anything", "content-type": "application/json" };
  const caller = await fetch(new URL("/api/caller", url), { headers });
  expect(await caller.json()).toMatchObject({ caller: "127.0.0.1", authentication: "none" });
  const init = { method: "POST", headers, body: "{}" };
  const { token } = (await (await fetch(new URL("/api/stream-tokens", url), init)).json()) as {
    token: string;
  };
  expect((await WsClient.connect(url, `/api/ws?access_token=${token}`)).socket.readyState).toBe(1);
});
