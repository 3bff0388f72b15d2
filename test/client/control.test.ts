/** Everything but streams, against the product; and credentials that expire. */

import { expect, test } from "vitest";
import { createClient, type FeedItem, type OperationStatus } from "../../client/client.ts";
import { useForeignWorker } from "../api/support/foreign-worker.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { within } from "../helpers/deadline.ts";
import { next, rest } from "./support/received.ts";
import { startRelay } from "./support/relay.ts";
import { TRANSPORTS } from "./support/server.ts";

const all = createKey(
  "tests",
  "operations:read",
  "operations:start",
  "operations:control",
  "streams:token",
);
const file = createKeyFile(all.line);
const stack = useSharedStack({
  worker: true,
  config: { credentials: file.credentials },
});
useForeignWorker(stack);
const client = () => createClient({ url: stack.url, token: all.key });

test("an operation is started, controlled, watched with its steps, listed and purged", async () => {
  const { operation_id: id } = await client().start("wait", { items: 3 }, { tags: { of: "test" } });
  const watched = client().watch(id);
  while ((await next(watched)).status !== "RUNNING");
  await client().suspend(id, { reason: "lunch" });
  expect((await next(watched)).status).toBe("SUSPENDED");
  await client().resume(id);
  expect((await next(watched)).status).toBe("RUNNING");
  await client().raiseEvent(id, "go", { by: "test" });
  expect(await next(watched)).toMatchObject({ status: "Completed", result: { by: "test" } });
  expect(await rest(watched)).toEqual([]);

  const { input } = await client().get(id, { include: "input" });
  expect(input).toEqual({ items: 3 });
  const { operations } = await client().list({ tag: "of:test", status: ["Completed", "Failed"] });
  expect(operations.map(({ operation_id }) => operation_id)).toEqual([id]);

  const { steps } = await client().history(id);
  const items = await rest(client().watchSteps(id));
  const received = items.flatMap((item) => (item.type === "step" ? [item.step] : []));
  expect(received.map(({ seq }) => seq)).toEqual(steps.map(({ seq }) => seq));
  expect(received.map(({ kind }) => kind)).toContain("event_raised");
  const middle = items.find((item) => item.type === "step" && item.step.seq === 3);
  const following = await rest(client().watchSteps(id, { after: middle?.cursor }));
  const seqs = following.flatMap((item) => (item.type === "step" ? [item.step.seq] : []));
  expect(seqs).toEqual(steps.map(({ seq }) => seq).filter((seq) => seq > 3));

  await client().purge(id);
  await expect(client().get(id)).rejects.toMatchObject({ slug: "operation-not-found" });
});

test("a start is repeated by its key, and what is wrong is a problem", async () => {
  const options = { idempotencyKey: crypto.randomUUID() };
  const one = await client().start("echo", 1, options);
  expect(await client().start("echo", 1, options)).toEqual(one);
  const refused = client().start("echo", 2, options);
  await expect(refused).rejects.toMatchObject({ status: 422, slug: "idempotency-key-reused" });
  await rest(client().watch(one.operation_id));
  const restarted = await client().restart(one.operation_id);
  expect(restarted.operation_id).toBe(one.operation_id);
});

test.each(TRANSPORTS)("over %s a feed carries what is there, and what comes", async (transport) => {
  const prefix = `feed-${transport}-`;
  await client().start("echo", 1, { operation_id: `${prefix}1` });
  const follower = createClient({ url: stack.url, token: all.key, transport });
  const seen = async (feed: AsyncGenerator<FeedItem, void>, id: string) => {
    for (;;) {
      const item = await next(feed);
      if (item.type === "operation" && item.operation.operation_id === id) return item.cursor;
    }
  };
  const feed = follower.watchFeed({ prefix, name: "echo" });
  await seen(feed, `${prefix}1`);
  await client().start("echo", 1, { operation_id: `${prefix}2` });
  const after = await seen(feed, `${prefix}2`);
  await feed.return();

  // Whatever is refused is the caller's own mistake, and ends nothing else.
  const status = "nonsense" as OperationStatus;
  const wrong = follower.watchFeed({ status }).next();
  await expect(wrong).rejects.toMatchObject({ slug: "invalid-query" });
  const resumed = follower.watchFeed({ prefix, name: "echo" }, { after });
  await client().start("echo", 1, { operation_id: `${prefix}3` });
  await seen(resumed, `${prefix}3`);
  await resumed.return();
});

test("steps come once and in order through cuts and changes of the transport", async () => {
  const sizes = [500, 1300, 900];
  const watchAll = async (seed: number) => {
    // WebSockets and streams are cut behind so many bytes; later on no WebSocket opens, and then each does.
    const relay = await startRelay(
      () => stack.url,
      (request, number) => {
        if (number >= sizes.length) return {};
        const isBlocked = number > 0 && request.includes("/api/ws");
        return { cutAfter: isBlocked ? 0 : (sizes[(number + seed) % sizes.length] ?? 0) };
      },
    );
    const { operation_id: id } = await client().startSample({ processing_time: 2, steps: 20 });
    const seqs: number[] = [];
    const transports = new Set<string>();
    const watched = createClient({ url: relay.url, token: all.key }).watchSteps(id, {
      onState: (state) => "transport" in state && transports.add(state.transport),
    });
    for await (const item of watched) if (item.type === "step") seqs.push(item.step.seq);
    const { steps } = await client().history(id);
    expect(seqs).toEqual(steps.map(({ seq }) => seq));
    expect(relay.connections).toBeGreaterThan(1);
    return transports;
  };
  const seeds = [0, 1, 2, 3, 4, 5];
  const used = await within("the end of all", Promise.all(seeds.map(watchAll)));
  expect(new Set(used.flatMap((each) => [...each])).size).toBeGreaterThan(1);
});

test.each(TRANSPORTS)(
  "over %s an expired token is replaced, and no state is lost",
  async (transport) => {
    const { operation_id: id } = await client().start("wait");
    const tokens: string[] = [];
    const token = async () => {
      // Only the first one expires here: on a busy machine one of a second may do so before it is used.
      const ttl_s = tokens.length === 0 ? 1 : 300;
      const made = await client().createStreamToken({ operation_ids: [id], ttl_s });
      tokens.push(made.token);
      return made.token;
    };
    const reader = createClient({ url: stack.url, transport, token });
    const watched = reader.watch(id);
    while ((await next(watched)).status !== "RUNNING");
    const following = next(watched);
    while (tokens.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await client().raiseEvent(id, "go");
    expect((await following).status).toBe("Completed");
    expect(await rest(watched)).toEqual([]);
  },
);

test.each(TRANSPORTS)("over %s a token that is refused twice is final", async (transport) => {
  let asked = 0;
  const token = () => {
    asked += 1;
    return "nonsense";
  };
  const watched = createClient({ url: stack.url, transport, token }).watch("op");
  await expect(watched.next()).rejects.toMatchObject({ status: 401 });
  expect(asked).toBe(2);
});

test("a caller learns who it is", async () => {
  expect(await client().caller()).toMatchObject({ caller: "key:tests" });
});
