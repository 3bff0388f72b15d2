import { afterAll, expect, test } from "vitest";
import { createKey, createKeyFile } from "../../helpers/api-key.ts";
import { eventually } from "../../helpers/deadline.ts";
import { OidcIssuer } from "../../helpers/oidc-issuer.ts";
import { type ReceivedEvent, SseClient } from "../../helpers/sse-client.ts";
import { type Message, WsClient } from "../../helpers/ws-client.ts";
import { problemOf } from "../support/problem.ts";
import { useSharedStack } from "../support/shared-stack.ts";

/* A stream ends with its credential, and its client comes back without losing anything. */

const backend = createKey("backend", "operations:read", "operations:start", "streams:token");
const removable = createKey("removable", "operations:read");
const file = createKeyFile(backend.line, removable.line);
let issuer: OidcIssuer;
const stack = useSharedStack({
  worker: true,
  config: async () => {
    issuer = await OidcIssuer.start();
    return {
      heartbeatMs: 3_600_000,
      credentials: {
        apiKeysFile: file.path,
        issuer: issuer.options,
        streamTokenSecrets: ["s".repeat(32)],
      },
    };
  },
});
afterAll(() => {
  issuer.close();
  file.remove();
});

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
const wsOf = (credential: string, path = "/api/ws") =>
  WsClient.connect(stack.url, path, ["dts-push.v1"], bearer(credential));
const at = (path: string) => new URL(path, stack.url);

async function streamToken(ttl_s: number): Promise<string> {
  const response = await fetch(at("/api/stream-tokens"), {
    method: "POST",
    headers: { ...bearer(backend.key), "content-type": "application/json" },
    body: JSON.stringify({ ttl_s }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { token: string }).token;
}

async function startOperation(
  processing_time: number,
  steps: number,
  operation_id?: string,
): Promise<string> {
  const response = await fetch(at("/api/start-operation"), {
    method: "POST",
    headers: { ...bearer(backend.key), "content-type": "application/json" },
    body: JSON.stringify({ processing_time, steps, operation_id }),
  });
  return ((await response.json()) as { operation_id: string }).operation_id;
}

/** Opens a stream of every kind, each of which has sent its first state. */
async function openAll(id: string, credential: string) {
  const paths = [
    `/api/operations/${id}/events`,
    `/api/events?operation_id=${id}`,
    `/api/operations/${id}/events?detail=steps`,
    "/api/events?prefix=waits-",
  ];
  const streams = await Promise.all(
    paths.map((path) => SseClient.connect(at(path), bearer(credential))),
  );
  for (const each of streams) expect((await each.nextState()).event).toBe("snapshot");
  const socket = await wsOf(credential, `/api/ws?operation_id=${id}`);
  await socket.nextOf("snapshot");
  const quiet = at(`/api/operations/${await stack.client.scheduleNewOrchestration("unserved")}`);
  const first = await fetch(quiet, { headers: bearer(credential) });
  const longPoll = fetch(quiet, {
    headers: {
      ...bearer(credential),
      prefer: "wait=60",
      "if-none-match": first.headers.get("etag") ?? "",
    },
  });
  await eventually("the long-poll to wait", async () => {
    const metrics = await fetch(at("/metrics"), { headers: bearer(backend.key) });
    return (await metrics.text()).includes('dts_push_connections{transport="poll"} 1');
  });
  return { streams, socket, longPoll };
}

/** The same with a token that ends soon, but not before they are open, however slow this machine is. */
async function openExpiring(id: string) {
  for (let expiresInS = 2; ; expiresInS *= 2) {
    const token = await issuer.token(["operations:read"], { expiresInS });
    const open = await openAll(id, token).catch((error: unknown) => {
      if (expiresInS > 30) throw error;
    });
    if (open) return { ...open, token };
  }
}

/** Checks that all of them end as they should, and returns the last event of the first one. */
async function checkEnds({
  streams,
  socket,
  longPoll,
}: Awaited<ReturnType<typeof openAll>>): Promise<ReceivedEvent> {
  const ends: ReceivedEvent[] = [];
  for (const each of streams) {
    const bye = (await each.untilBye()).at(-1) as ReceivedEvent;
    expect(bye.data).toMatchObject({ reason: "auth_expired", reconnect: true });
    expect(bye.data.retry_ms).toBeGreaterThanOrEqual(1000);
    expect(bye.id).toBeTruthy();
    expect(await each.ended()).toBe("ended");
    ends.push(bye);
  }
  expect(await socket.nextOf("bye")).toMatchObject({ reason: "auth_expired", reconnect: true });
  expect(await socket.closed()).toEqual({ code: 4001, reason: "auth_expired" });
  expect((await longPoll).status).toBe(304);
  return ends[0] as ReceivedEvent;
}

test("streams of every kind end with the token, and a client that slept comes back with a new one", async () => {
  await startOperation(600, 600, "waits-1");
  const { token, ...open } = await openExpiring("waits-1");
  const bye = await checkEnds(open);

  const events = at("/api/operations/waits-1/events");
  const resume = { "last-event-id": bye.id ?? "" };
  const stale = await fetch(events, { headers: { ...bearer(token), ...resume } });
  expect((await problemOf(stale, 401, "unauthenticated")).detail).toMatch(/expired/);
  const renewed = await issuer.token(["operations:read"]);
  const client = await SseClient.connect(events, { ...bearer(renewed), ...resume });
  expect((await client.nextState()).data.resumed).toBe(true);
});

test("streams whose key is removed end, those of others go on (KEYS-3)", async () => {
  await startOperation(600, 600, "waits-2");
  const open = await openAll("waits-2", removable.key);
  const other = await SseClient.connect(at("/api/operations/waits-2/events"), bearer(backend.key));
  await other.nextState();
  file.write(backend.line);
  await checkEnds(open);
  const refused = await fetch(at("/api/operations/waits-2"), { headers: bearer(removable.key) });
  await problemOf(refused, 401, "unauthenticated");
  const taken = other.waiting.length;
  for (let count = 0; count <= taken; count += 1) {
    expect((await other.nextState()).event).toBe("update");
  }
});

test("a client over SSE whose tokens last a second gets every step once, in order", async () => {
  const id = await startOperation(3, 6);
  const seqs: number[] = [];
  let expiries = 0;
  let after = "";
  for (let reason = ""; reason !== "terminal"; ) {
    const url = at(
      `/api/operations/${id}/events?detail=steps&access_token=${await streamToken(1)}`,
    );
    if (after) url.searchParams.set("after", after);
    const client = await SseClient.connect(url);
    if (client.status === 401) continue; // This machine is slower than the token lasts.
    for (const event of await client.untilBye()) {
      after = event.id ?? after;
      if (event.event === "step") seqs.push(event.data.seq);
      if (event.event === "bye") reason = event.data.reason;
    }
    if (reason === "auth_expired") expiries += 1;
  }
  expect(expiries).toBeGreaterThan(1);
  expect(seqs.length).toBeGreaterThan(15);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
});

test("a client over WebSocket that renews its token in band gets every step once, on one connection", async () => {
  const id = await startOperation(3, 6);
  const socket = await wsOf(await streamToken(2));
  const renewing = setInterval(async () => {
    socket.send({ type: "auth", token: await streamToken(2) });
  }, 300);
  socket.send({ type: "subscribe", sub: "s", operation_id: id, detail: "steps" });
  const seqs: number[] = [];
  let renewals = 0;
  let message: Message;
  do {
    message = await socket.next();
    if (message.type === "step") seqs.push(message.seq);
    if (message.type === "authenticated") renewals += 1;
    expect(message.type).not.toBe("bye");
  } while (message.type !== "unsubscribed");
  clearInterval(renewing);
  expect(message.reason).toBe("terminal");
  expect(renewals).toBeGreaterThan(3);
  expect(seqs.length).toBeGreaterThan(15);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
});
