import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 50 };
const ENDED = instance({
  status: "COMPLETED",
  output: '"done"',
  lastUpdatedAtMs: 1_700_000_009_000,
});

async function startStored(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const url = new URL("/api/operations/op", api.url);
  const get = (headers: Record<string, string> = {}) => fetch(url, { headers });
  return { scheduler, api, url, get };
}

test("a status request is answered 304 while nothing changed, also when last_updated alone moved", async () => {
  const { scheduler, get } = await startStored();
  const first = await get();
  expect(first.headers.get("retry-after")).toBe("1");
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toBe(`W/"${((await first.json()) as { cursor: string }).cursor}"`);
  const cursor = etag.slice(3, -1);
  const conditions = [etag, `"other", ${etag}`, "*", etag.slice(2), cursor, `W/"${cursor}-gzip"`];
  for (const condition of conditions) {
    const again = await get({ "if-none-match": condition });
    expect([again.status, await again.text()], condition).toEqual([304, ""]);
  }
  scheduler.set("op", instance({ lastUpdatedAtMs: 1_700_000_005_000 }));
  expect((await get({ "if-none-match": etag })).status).toBe(304);
  scheduler.set("op", instance({ customStatus: "1", lastUpdatedAtMs: 1_700_000_006_000 }));
  expect((await get({ "if-none-match": etag })).status).toBe(200);
  expect((await get({ "if-none-match": 'W/"none of ours"' })).status).toBe(200);
});

test("a waiting request is answered at the next change", async () => {
  const { scheduler, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  const waiting = get({ "if-none-match": etag, prefer: "wait=30" });
  scheduler.set("op", instance({ customStatus: '"new"', lastUpdatedAtMs: 1_700_000_005_000 }));
  const response = await within("the answer", waiting);
  expect(response.headers.get("preference-applied")).toBe("wait=30");
  expect(await response.json()).toMatchObject({ custom_status: "new" });
  expect(response.headers.get("etag")).not.toBe(etag);
});

test("a wait that ends without a change is answered 304 with the tag it came with", async () => {
  const { get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  const response = await get({ "if-none-match": etag, prefer: "respond-async, wait=1" });
  expect([response.status, response.headers.get("etag")]).toEqual([304, etag]);
});

test("there is no wait without a tag, for a terminal operation, or for an unknown one", async () => {
  const { scheduler, get, url } = await startStored();
  const prefer = "wait=60";
  expect((await within("the answer", get({ prefer }))).status).toBe(200);
  scheduler.set("op", ENDED);
  const ended = await get();
  const etag = ended.headers.get("etag") ?? "";
  expect(ended.headers.get("retry-after")).toBeNull();
  expect((await within("the answer", get({ prefer, "if-none-match": etag }))).status).toBe(304);
  const unknown = fetch(new URL("/api/operations/nobody", url), {
    headers: { prefer, "if-none-match": etag },
  });
  expect((await within("the answer", unknown)).status).toBe(404);
});

test("a wait longer than a minute is cut to one, and says so; one that is none is ignored", async () => {
  const { scheduler, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  scheduler.set("op", ENDED);
  const applied = async (prefer: string) =>
    (await get({ prefer, "if-none-match": etag })).headers.get("preference-applied");
  expect(await applied("wait=3600")).toBe("wait=60");
  expect(await applied("wait=-1")).toBeNull();
  expect(await applied("wait")).toBeNull();
});

test("Preference-Applied is sent only if the server waits for such a request", async () => {
  const { scheduler, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  const applied = async (headers: Record<string, string>) => {
    const response = await within("the answer", get({ prefer: "wait=1", ...headers }));
    return [response.status, response.headers.get("preference-applied")];
  };
  // Without a tag the answer comes at once, and the next one would too.
  expect(await applied({})).toEqual([200, null]);
  expect(await applied({ "if-none-match": "*" })).toEqual([304, null]);
  expect(await applied({ "if-none-match": 'W/"none of ours"' })).toEqual([200, null]);
  expect(await applied({ "if-none-match": etag })).toEqual([304, "wait=1"]);
  scheduler.set("op", ENDED);
  const ended = await get({ prefer: "wait=1", "if-none-match": etag });
  expect([ended.status, ended.headers.get("preference-applied")]).toEqual([200, "wait=1"]);
  const last = ended.headers.get("etag") ?? "";
  expect(await applied({ "if-none-match": last })).toEqual([304, null]);
});

test("waiting requests share the watcher's reads", async () => {
  const { scheduler, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  const waiting = Array.from({ length: 50 }, () =>
    get({ "if-none-match": etag, prefer: "wait=30" }),
  );
  const reads = scheduler.countOf("getInstance");
  scheduler.set("op", ENDED);
  for (const response of await Promise.all(waiting)) expect(response.status).toBe(200);
  expect(scheduler.countOf("getInstance") - reads).toBeLessThan(20);
});

test("a long-poll continues through an outage, unless no state is known", async () => {
  const { scheduler, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  scheduler.fault = { kind: "error", code: status.INTERNAL };
  const hopeless = await within("the answer", get({ "if-none-match": etag, prefer: "wait=30" }));
  expect([hopeless.status, hopeless.headers.get("retry-after")]).toEqual([503, "5"]);
  scheduler.fault = { kind: "none" };
  const waiting = get({ "if-none-match": etag, prefer: "wait=30" });
  scheduler.set("op", ENDED);
  expect((await within("the answer", waiting)).status).toBe(200);
});

test("closing answers waiting requests", async () => {
  const { api, get } = await startStored();
  const etag = (await get()).headers.get("etag") ?? "";
  const waiting = get({ "if-none-match": etag, prefer: "wait=60" });
  await within("a subscription", subscribed(api.url));
  await within("the API to close", api.stopApi());
  expect((await waiting).status).toBe(304);
});

test("a replica at its limit of connections does not send Preference-Applied, so that clients pause", async () => {
  const { api, get } = await startStored({ maxConnections: 1 });
  const etag = (await get()).headers.get("etag") ?? "";
  await (await SseClient.connect(new URL("/api/operations/op/events", api.url))).nextState();
  const response = await within("the answer", get({ "if-none-match": etag, prefer: "wait=60" }));
  expect(response.status).toBe(304);
  expect(response.headers.get("preference-applied")).toBeNull();
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
});

test("a draining replica does not wait, and does not send Preference-Applied", async () => {
  const { api, get } = await startStored({ graceMs: 10_000 });
  const etag = (await get()).headers.get("etag") ?? "";
  const waiting = get({ "if-none-match": etag, prefer: "wait=60" });
  await within("a subscription", subscribed(api.url));
  const closing = api.stopApi();
  const late = waiting.then(() => get({ "if-none-match": etag, prefer: "wait=60" }));
  for (const response of await within("both answers", Promise.all([waiting, late]))) {
    expect(response.status).toBe(304);
    expect(response.headers.get("preference-applied")).toBeNull();
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(response.headers.get("connection")).toBe("close");
  }
  await within("the API to close", closing);
});

test("a client that only long-polls follows a real operation to its end", async () => {
  const stack = await startStack(QUICK);
  const id = await stack.startOperation({ processing_time: 1, steps: 3 });
  let etag: string | undefined;
  const statuses: string[] = [];
  while (statuses.at(-1) !== "Completed") {
    const response = await fetch(new URL(`/api/operations/${id}`, stack.url), {
      headers: { prefer: "wait=10", ...(etag && { "if-none-match": etag }) },
    });
    expect(response.status).toBe(200);
    etag = response.headers.get("etag") ?? "";
    statuses.push(((await response.json()) as { status: string }).status);
  }
  expect(statuses.length).toBeGreaterThanOrEqual(4);
});

async function subscribed(url: URL): Promise<void> {
  for (;;) {
    const text = await (await fetch(new URL("/metrics", url))).text();
    if (/^dts_push_subscriptions 1$/m.test(text)) return;
  }
}
