import { Writable } from "node:stream";
import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseRedactedPaths } from "../../src/dts/redaction/paths.ts";
import { startApi } from "../../src/start.ts";
import { createSdkWorker } from "../helpers/sdk.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { testConfig } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { client } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* Two replicas that mask the same values, in front of a scheduler that stores them in the clear. */

const stack = useSharedStack();
const SECRET = "hunter2";
const MASK = "[REDACTED]";
const REDACT = "$.input.password, $.custom_status.user.email, $..token";

const CODE = {
  orchestrators: {
    async *login(context: OrchestrationContext, input: { password: string }) {
      context.setCustomStatus({ user: { email: SECRET, name: "Ada" }, amount: 1.5 });
      yield context.callActivity("check", input);
      yield context.waitForExternalEvent("changed");
      context.setCustomStatus({ user: { email: `${SECRET}-2`, name: "Ada" }, amount: 1.5 });
      yield context.waitForExternalEvent("go");
      return { token: SECRET, ok: true };
    },
  },
  activities: { check: (_context: unknown, input: object) => ({ token: SECRET, input }) },
};

let worker: ReturnType<typeof createSdkWorker>;
const replicas: Awaited<ReturnType<typeof startApi>>[] = [];
const urls: URL[] = [];
let log = "";

beforeAll(async () => {
  worker = createSdkWorker(stack.address, CODE as never);
  await worker.start();
  const target = { ...testConfig().target, address: stack.address };
  const redactedPaths = parseRedactedPaths(REDACT);
  const sink = new Writable({
    write(chunk, _encoding, done) {
      log += String(chunk);
      done();
    },
  });
  for (let count = 0; count < 2; count += 1) {
    const config = testConfig({ target, redactedPaths, pollMinMs: 20, pollMaxMs: 60 });
    const api = await startApi(config, pino({ level: "trace" }, sink));
    replicas.push(api);
    urls.push(new URL(api.url.replace("localhost", "127.0.0.1")));
  }
});
afterAll(async () => {
  await Promise.all([worker.stop(), ...replicas.map((each) => each.close())]);
});

const at = (path: string, replica = 0) => new URL(path, urls[replica]);

/** The text of an answer, which must not have the secret. */
async function text(path: string, replica = 0): Promise<string> {
  const found = await (await fetch(at(path, replica))).text();
  expect(found, path).not.toContain(SECRET);
  return found;
}

const STATUS = { user: { email: MASK, name: "Ada" }, amount: 1.5 };

async function startOne(id: string, key?: string) {
  return fetch(at("/api/operations"), {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
    body: JSON.stringify({
      name: "login",
      ...(key ? {} : { operation_id: id }),
      input: { password: SECRET, user: "ada" },
    }),
  });
}

test("documents, lists, events, steps and logs never have a masked value", async () => {
  const id = "masked";
  await startOne(id);
  const events = await SseClient.connect(
    at(`/api/operations/${id}/events?detail=steps&include=payloads`),
  );
  const feed = await SseClient.connect(at("/api/events?prefix=masked"));
  const socket = await WsClient.connect(urls[0] as URL);
  socket.send({ type: "subscribe", sub: "1", operation_id: id });
  const stepOf = async (kind: string) => {
    for (;;) {
      const { data } = await events.next(kind);
      expect(JSON.stringify(data)).not.toContain(SECRET);
      if (data.kind === kind) return data;
    }
  };
  const input = { password: MASK, user: "ada" };
  expect(JSON.parse((await stepOf("started")).input)).toEqual(input);
  expect(JSON.parse((await stepOf("activity_scheduled")).input)).toEqual(input);
  expect(JSON.parse((await stepOf("activity_completed")).output)).toMatchObject({ token: MASK });
  await client(stack).reaches(id, "RUNNING");
  const document = JSON.parse(await text(`/api/operations/${id}?include=input`));
  expect(document).toMatchObject({ custom_status: STATUS, input });
  await stack.client.raiseOrchestrationEvent(id, "changed", { token: SECRET });
  await stack.client.raiseOrchestrationEvent(id, "go", { token: SECRET });
  expect(JSON.parse((await stepOf("event_raised")).input)).toEqual({ token: MASK });
  expect(JSON.parse((await stepOf("completed")).output)).toEqual({ token: MASK, ok: true });
  const list = await text(`/api/operations?prefix=masked&include=input,result`);
  expect(JSON.parse(list).operations[0]).toMatchObject({
    custom_status: STATUS,
    input,
    result: { token: MASK, ok: true },
  });
  await text(`/api/operations/${id}/history?include=payloads`);
  for (;;) {
    const { data } = await feed.nextState();
    expect(JSON.stringify(data)).not.toContain(SECRET);
    if (data.operation.status === "Completed") break;
  }
  for (;;) {
    const message = await socket.next();
    expect(JSON.stringify(message)).not.toContain(SECRET);
    if (message.type === "unsubscribed") break;
  }
  expect(log).toContain(id);
  expect(log).not.toContain(SECRET);
});

test("a change of a masked value alone is none, and cursors are the same at both replicas (C1)", async () => {
  const id = "same";
  await startOne(id);
  const events = await SseClient.connect(at(`/api/operations/${id}/events`));
  for (;;) if ((await events.nextState()).data.operation.custom_status) break;
  const before = JSON.parse(await text(`/api/operations/${id}`));
  await stack.client.raiseOrchestrationEvent(id, "changed");
  await stack.client.raiseOrchestrationEvent(id, "go");
  const { data } = await events.nextState();
  expect(data.changed).toEqual(["status", "completed_at", "result"]);
  const [one, other] = await Promise.all(
    [0, 1].map((replica) => text(`/api/operations/${id}`, replica)),
  );
  expect(one).toBe(other);
  const stateOf = ({ cursor }: { cursor: string }) => cursor.split(".")[3];
  expect(stateOf(JSON.parse(one ?? ""))).not.toBe(stateOf(before));
});

test("a start is compared with what is stored, not with what is shown", async () => {
  const first = await startOne("", "one-key");
  expect(first.status).toBe(202);
  const again = await startOne("", "one-key");
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  const other = await fetch(at("/api/operations", 1), {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": "one-key" },
    body: JSON.stringify({ name: "login", input: { password: "other", user: "ada" } }),
  });
  await problemOf(other, 422, "idempotency-key-reused");
});
