/** What the client yields over each transport, from a server without faults. */

import { describe, expect, test } from "vitest";
import { type ConnectionState, createClient, type ProblemError } from "../../client/client.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { next, rest } from "./support/received.ts";
import { ENDED, TRANSPORTS, useScriptedServer } from "./support/server.ts";

const server = useScriptedServer({ heartbeatMs: 1000 });

describe.each(TRANSPORTS)("over %s", (transport) => {
  const client = () => createClient({ url: server.url, transport });

  test("each state comes once, from the present one to the terminal one", async () => {
    const { id, set, percent } = server.operation();
    const states: ConnectionState[] = [];
    const watched = client().watch(id, { onState: (state) => states.push(state) });
    expect((await next(watched)).status).toBe("RUNNING");
    percent(50);
    expect((await next(watched)).custom_status).toBe(50);
    set(ENDED);
    const last = await next(watched);
    expect(last).toMatchObject({ status: "Completed", result: "done" });
    expect(await watched.next()).toEqual({ done: true, value: undefined });
    expect(states[0]).toEqual({ kind: "connecting" });
    expect(states.at(-1)).toEqual({ kind: "closed" });
    expect(states).toContainEqual(expect.objectContaining({ kind: "live", transport }));
  });

  test("`parse` makes a value of every operation's JSON", async () => {
    const { id, percent } = server.operation();
    percent(50);
    const parse = (json: string) =>
      JSON.parse(json, (_, value) => (value === 50 ? "fifty" : value));
    const own = createClient({ url: server.url, transport, parse });
    const watched = own.watch(id);
    expect((await next(watched)).custom_status).toBe("fifty");
    await watched.return();
    expect((await own.get(id)).custom_status).toBe("fifty");
  });

  test("a cursor resumes behind its state, over whatever transport it came", async () => {
    const { id, set, percent } = server.operation();
    const first = createClient({ url: server.url, transport: "sse" }).watch(id);
    const { cursor: after } = await next(first);
    await first.return();
    const resumed = client().watch(id, { after });
    const following = next(resumed);
    percent(1);
    expect((await following).custom_status).toBe(1);
    set(ENDED);
    const { cursor } = await next(resumed);
    expect(await rest(resumed)).toEqual([]);
    expect(await rest(client().watch(id, { after: cursor }))).toEqual([]);
  });

  test("several operations are watched to the end of all, whatever their ids", async () => {
    const [one, other] = [server.operation("__proto__"), server.operation("a/b?c%2F")];
    const watched = client().watchMany([one.id, other.id, one.id, "unknown"]);
    const ids = [(await next(watched)).operation_id, (await next(watched)).operation_id];
    expect(ids.sort()).toEqual([one.id, other.id].sort());
    one.set(ENDED);
    expect(await next(watched)).toMatchObject({ operation_id: one.id, status: "Completed" });
    other.set(ENDED);
    expect((await rest(watched)).map(({ status }) => status)).toEqual(["Completed"]);
  });

  test("an unknown operation, or one that is purged, ends it with a problem", async () => {
    const unknown = client().watch("unknown").next();
    await expect(unknown).rejects.toMatchObject({ slug: "operation-not-found", status: 404 });
    const { id } = server.operation();
    const watched = client().watch(id);
    await next(watched);
    server.scheduler.purge(id);
    const error = await within<ProblemError>(
      "its end",
      watched.next().catch((e) => e),
    );
    expect(["operation-gone", "operation-not-found"]).toContain(error.slug);
  });

  test("abort throws the signal's reason, and leaves nothing open", async () => {
    const { id } = server.operation();
    const stop = new AbortController();
    const watched = client().watch(id, { signal: stop.signal });
    await next(watched);
    const waiting = watched.next();
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await eventually("all connections to be closed", async () => (await openStreams()) === 0);
  });
});

test("no id is no operation, and too many are refused at once", async () => {
  const client = createClient({ url: server.url });
  expect(await rest(client.watchMany([]))).toEqual([]);
  const ids = Array.from({ length: 201 }, (_, index) => `op-${index}`);
  await expect(client.watchMany(ids).next()).rejects.toThrow(RangeError);
});

test("sources of one client share a WebSocket", async () => {
  const client = createClient({ url: server.url });
  const watched = Array.from({ length: 20 }, () => client.watch(server.operation().id));
  for (const each of watched) await next(each);
  expect(await openStreams("ws")).toBe(1);
  for (const each of watched) void each.return();
});

test("an outage of the scheduler is shown as stale, and its end as live", async () => {
  const { id, set, percent } = server.operation();
  const kinds: string[] = [];
  const watched = createClient({ url: server.url }).watch(id, {
    onState: ({ kind }) => kinds.push(kind),
  });
  await next(watched);
  const following = next(watched);
  server.scheduler.fault = { kind: "error", code: 14 };
  await eventually("stale", () => kinds.at(-1) === "stale");
  server.scheduler.fault = { kind: "none" };
  await eventually("live", () => kinds.at(-1) === "live");
  percent(2);
  await following;
  set(ENDED);
  await rest(watched);
});

async function openStreams(transport = "\\w+"): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", server.url))).text();
  const pattern = new RegExp(`^dts_push_connections\\{transport="${transport}"\\} (\\d+)$`, "gm");
  return [...metrics.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
}
