import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";

/* Hints over HTTP. Polls are an hour apart, so that what arrives was hinted, or is the end. */

const HOUR_MS = 3_600_000;
const NO_POLLS = { pollMinMs: HOUR_MS, pollMaxMs: HOUR_MS };
const ID = "op";

function sendHints(url: URL, ids: unknown, headers: Record<string, string> = {}) {
  return fetch(new URL("/api/hints", url), {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ operation_ids: ids }),
  });
}

async function counted(url: URL, metric: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const line = text.split("\n").find((each) => each.startsWith(`${metric} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

async function listen(server: Server): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** A peer that records what it is sent. */
async function startTaker() {
  const taken: { readonly ids: string[]; readonly isMarked: boolean }[] = [];
  const server = createHttpServer(async (request, response) => {
    const chunks = await request.toArray();
    const { operation_ids: ids } = JSON.parse(Buffer.concat(chunks).toString());
    taken.push({ ids, isMarked: request.headers["dts-push-forwarded"] !== undefined });
    response.writeHead(204).end();
  });
  return { taken, url: await listen(server) };
}

/** An operation of many short steps, watched, of which only the first state has been seen. */
async function startWatched(url: URL, start: () => Promise<string>) {
  const id = await start();
  const client = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  await client.nextState();
  return { id, client };
}

test("a hint makes a watched operation be read at once; others cost nothing", async () => {
  const stack = await startStack(NO_POLLS);
  const start = () => stack.startOperation({ operation_id: ID, processing_time: 60, steps: 60 });
  const { id, client } = await startWatched(stack.url, start);
  const response = await sendHints(stack.url, [id, "unknown"]);
  expect(response.status).toBe(204);
  await eventually("an update", async () => {
    await sendHints(stack.url, [id]);
    return client.waiting.some(({ event }) => event === "update");
  });
  const forged = Array.from({ length: 1000 }, (_, index) => `forged-${index}`);
  const before = await counted(stack.url, 'dts_push_hints_total{outcome="unwatched"}');
  await sendHints(stack.url, forged);
  expect(await counted(stack.url, 'dts_push_hints_total{outcome="unwatched"}')).toBe(before + 1000);
});

test("hints are passed on once, and never back, also by replicas that name each other", async () => {
  const stack = await startStack(NO_POLLS);
  const hints = (peers: readonly URL[]) => ({ hints: { url: undefined, token: undefined, peers } });
  const { taken, url: third } = await startTaker();
  const one = await startTestApi(stack.address, NO_POLLS);
  const other = await startTestApi(stack.address, { ...NO_POLLS, ...hints([one.url, third]) });
  const start = () => stack.startOperation({ operation_id: ID, processing_time: 60, steps: 60 });
  const { id, client } = await startWatched(one.url, start);
  await eventually("an update at the other replica", async () => {
    await sendHints(other.url, [id]);
    return client.waiting.some(({ event }) => event === "update");
  });
  await sendHints(other.url, ["passed on already"], { "dts-push-forwarded": "1" });
  await sendHints(other.url, ["later"]);
  await eventually("the later hint", () => taken.some(({ ids }) => ids.includes("later")));
  expect(taken.flatMap(({ ids }) => ids)).not.toContain("passed on already");
  expect(taken.every(({ isMarked }) => isMarked)).toBe(true);
});

test("a peer that hangs delays neither the answer nor another peer", async () => {
  const hangs = await listen(createServer(() => undefined));
  const stack = await startStack(NO_POLLS);
  const one = await startTestApi(stack.address, NO_POLLS);
  const peers = [hangs, new URL("http://nowhere.invalid:8000"), one.url];
  const other = await startTestApi(stack.address, {
    ...NO_POLLS,
    hints: { url: undefined, token: undefined, peers },
  });
  const start = () => stack.startOperation({ operation_id: ID, processing_time: 60, steps: 60 });
  const { id, client } = await startWatched(one.url, start);
  await eventually("an update", async () => {
    expect((await sendHints(other.url, [id])).status).toBe(204);
    return client.waiting.some(({ event }) => event === "update");
  });
});

test.each([
  [Array.from({ length: 1001 }, String), 400],
  [[1], 400],
  ["op", 400],
  [["x".repeat(101)], 400],
  [[], 204],
])("what is no list of at most 1,000 ids is refused: %#", async (ids, status) => {
  const { url } = await startTestApi("127.0.0.1:1", NO_POLLS);
  expect((await sendHints(url, ids)).status).toBe(status);
});
