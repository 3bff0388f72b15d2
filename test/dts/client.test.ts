import { status } from "@grpc/grpc-js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, onTestFinished, test } from "vitest";
import type { CallLog } from "../../src/dts/calls.ts";
import type { SchedulerClient } from "../../src/dts/client.ts";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection/connection.ts";
import type { RuntimeStatus } from "../../src/dts/instance.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { FakeScheduler, failing, never } from "../helpers/scheduler/fake-scheduler.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startLog } from "./support/log.ts";

function connect(address: string, taskHub = "mine", log?: CallLog): SchedulerClient {
  const target = { address, taskHub, authentication: { kind: "none" } } as const;
  const client = createSchedulerClient(createConnection(target, log));
  onTestFinished(() => client.close());
  return client;
}

test("each call names the task hub and the client, and carries no token where there is none", async () => {
  const scheduler = await FakeScheduler.start();
  const client = connect(scheduler.address, "my hub");
  await client.getInstance("x");
  await client.startOrchestration({ id: "x", name: "name", input: "{}" });
  expect(scheduler.calls.map(({ method }) => method)).toEqual(["getInstance", "startInstance"]);
  for (const { metadata } of scheduler.calls) {
    expect(metadata.get("taskhub")).toEqual(["my hub"]);
    expect(metadata.get("x-user-agent")).toEqual([
      expect.stringMatching(/^durabletask-js\/\d+\.\d+\.\d+ \(DurableTaskClient\)$/),
    ]);
    expect(String(metadata.get("user-agent"))).toMatch(/^dts-push grpc-node-js\//);
    expect(metadata.get("workerid")).toEqual([]);
    expect(metadata.get("authorization")).toEqual([]);
  }
});

test("a start carries its input as JSON, and a reuse policy that replaces no instance", async () => {
  const requests: pb.CreateInstanceRequest[] = [];
  const scheduler = await FakeScheduler.start({
    startInstance: (call, done) => {
      requests.push(call.request as pb.CreateInstanceRequest);
      done(null, new pb.CreateInstanceResponse());
    },
  });
  const client = connect(scheduler.address);
  await client.startOrchestration({ id: "x", name: "name", input: '{"a":1}' });
  const [request] = requests;
  expect([request?.getInstanceid(), request?.getName()]).toEqual(["x", "name"]);
  expect(request?.getInput()?.getValue()).toBe('{"a":1}');
  // Schedulers may replace a terminal instance where there is no policy at all.
  expect(request?.getOrchestrationidreusepolicy()?.getReplaceablestatusList()).toEqual([]);
});

test("reads, commands and waits each have a connection of their own", async () => {
  const scheduler = await FakeScheduler.start({ waitForInstanceCompletion: never });
  const client = connect(scheduler.address);
  const abort = new AbortController();
  await client.getInstance("a");
  await client.startOrchestration({ id: "a", name: "name", input: "{}" });
  const waiting = client.waitForCompletion("a", abort.signal);
  await eventually("the wait", () => scheduler.calls.length === 3);
  await client.getInstance("b");
  const peers = scheduler.calls.map(({ peer }) => peer);
  expect(new Set(peers.slice(0, 3)).size).toBe(3);
  expect(peers[3]).toBe(peers[0]);
  abort.abort();
  await expect(waiting).rejects.toThrow();
});

test("two clients of one process share no connection", async () => {
  const scheduler = await FakeScheduler.start();
  await connect(scheduler.address).getInstance("x");
  await connect(scheduler.address).getInstance("x");
  expect(new Set(scheduler.calls.map(({ peer }) => peer)).size).toBe(2);
});

test("each call has its deadline, and a wait has none", async () => {
  const scheduler = await FakeScheduler.start({ waitForInstanceCompletion: never });
  const client = connect(scheduler.address);
  const abort = new AbortController();
  await client.getInstance("x");
  await client.startOrchestration({ id: "x", name: "name", input: "{}" });
  await client.queryInstances({ pageSize: 1 }).catch(() => undefined);
  const waiting = client.waitForCompletion("x", abort.signal);
  await eventually("the wait", () => scheduler.of("waitForInstanceCompletion").length === 1);
  const seconds = Object.fromEntries(
    scheduler.calls.map(({ method, deadlineMs }) => [method, Math.ceil(deadlineMs / 1000)]),
  );
  expect(seconds).toEqual({
    getInstance: 5,
    startInstance: 10,
    queryInstances: 15,
    waitForInstanceCompletion: Number.POSITIVE_INFINITY,
  });
  abort.abort();
  await expect(waiting).rejects.toThrow();
});

test("a read without an answer ends after 5 s, and is cancelled at the scheduler", async () => {
  const scheduler = await FakeScheduler.start({ getInstance: never });
  const startedMs = performance.now();
  const read = connect(scheduler.address).getInstance("x");
  await expect(within("the read to end", read)).rejects.toMatchObject({
    name: "SchedulerError",
    kind: "unavailable",
  });
  expect(performance.now() - startedMs).toBeGreaterThan(4900);
  const [call] = scheduler.calls;
  expect(scheduler.calls).toHaveLength(1);
  await within("the cancellation to arrive", call?.cancelled ?? Promise.reject());
});

test("a wait that is aborted is cancelled at the scheduler, however early", async () => {
  const scheduler = await FakeScheduler.start({ waitForInstanceCompletion: never });
  const client = connect(scheduler.address);
  const late = new AbortController();
  const waiting = client.waitForCompletion("x", late.signal);
  await eventually("the wait", () => scheduler.calls.length === 1);
  late.abort();
  await expect(waiting).rejects.toMatchObject({ kind: "unavailable" });
  await within("the cancellation to arrive", scheduler.calls[0]?.cancelled ?? Promise.reject());

  const atOnce = new AbortController();
  const neverSent = client.waitForCompletion("x", atOnce.signal);
  atOnce.abort();
  await expect(within("the wait to end", neverSent)).rejects.toMatchObject({
    name: "SchedulerError",
  });
  await expect(client.waitForCompletion("x", AbortSignal.abort())).rejects.toThrow();
});

test("waits beyond what one connection carries get another connection", async () => {
  const scheduler = await FakeScheduler.start({ waitForInstanceCompletion: never });
  const client = connect(scheduler.address);
  const abort = new AbortController();
  const waits = Array.from({ length: 200 }, (_, index) =>
    client.waitForCompletion(`op-${index}`, abort.signal).catch(() => "given up"),
  );
  await eventually("all waits to arrive", () => scheduler.calls.length === 200);
  expect(new Set(scheduler.calls.map(({ peer }) => peer)).size).toBe(3);
  abort.abort();
  expect(new Set(await Promise.all(waits))).toEqual(new Set(["given up"]));
});

test("a command answered UNAVAILABLE is repeated up to five times; a read is not, for its budget", async () => {
  const scheduler = await FakeScheduler.start({
    getInstance: failing(status.UNAVAILABLE),
    startInstance: failing(status.UNAVAILABLE),
  });
  const client = connect(scheduler.address);
  await expect(client.getInstance("x")).rejects.toThrow("GetInstance");
  expect(scheduler.calls).toHaveLength(1);
  await expect(client.startOrchestration({ id: "x", name: "n", input: "{}" })).rejects.toThrow(
    "StartInstance",
  );
  expect(scheduler.calls).toHaveLength(6);
});

test("a command whose repetition could have a second effect is sent once", async () => {
  const fail = failing(status.UNAVAILABLE);
  const scheduler = await FakeScheduler.start({
    raiseEvent: fail,
    restartInstance: fail,
    rewindInstance: fail,
  });
  const client = connect(scheduler.address);
  await expect(client.raiseEvent("x", "go", "null")).rejects.toThrow("RaiseEvent");
  await expect(client.restart("x", true)).rejects.toThrow("RestartInstance");
  await expect(client.rewind("x", undefined)).rejects.toThrow("RewindInstance");
  expect(scheduler.calls).toHaveLength(3);
});

test.for([
  [status.UNAVAILABLE, "unavailable"],
  [status.DEADLINE_EXCEEDED, "unavailable"],
  [status.RESOURCE_EXHAUSTED, "throttled"],
  [status.UNAUTHENTICATED, "refused"],
  [status.PERMISSION_DENIED, "refused"],
  [status.ALREADY_EXISTS, "already-exists"],
  [status.NOT_FOUND, "not-found"],
  [status.INVALID_ARGUMENT, "invalid"],
  [status.FAILED_PRECONDITION, "wrong-state"],
  [status.INTERNAL, "failed"],
  [status.UNKNOWN, "failed"],
] as const)("gRPC status %i is the kind %s, for reads and commands", async ([code, kind]) => {
  const scheduler = await FakeScheduler.start({
    getInstance: failing(code),
    startInstance: failing(code),
  });
  const client = connect(scheduler.address);
  await expect(client.getInstance("x")).rejects.toMatchObject({ name: "SchedulerError", kind });
  await expect(
    client.startOrchestration({ id: "x", name: "n", input: "{}" }),
  ).rejects.toMatchObject({ kind });
});

test("every status of the protocol is read, also those at which the SDK's own client fails", async () => {
  const statuses: RuntimeStatus[] = [
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "CONTINUED_AS_NEW",
    "COMPLETED",
    "FAILED",
    "TERMINATED",
    "CANCELED",
  ];
  const instances = statuses.map((each) => instance({ id: each, status: each }));
  const client = connect((await ScriptedScheduler.start(instances)).address);
  for (const each of statuses) {
    expect((await client.getInstance(each))?.status).toBe(each);
  }
  expect(await client.getInstance("unheard-of")).toBeUndefined();
});

test("payloads come as they are stored; an empty one counts as none", async () => {
  const failure = { type: "TypeError", message: "no" };
  const payloads = { customStatus: "[1]", output: "text", failure };
  const full = instance({ id: "full", status: "FAILED", ...payloads });
  const empty = instance({ id: "empty", customStatus: "", output: "" });
  const client = connect((await ScriptedScheduler.start([full, empty])).address);
  expect(await client.getInstance("full")).toEqual({ ...full, stack: "at secret.ts:1" });
  expect(await client.getInstance("empty")).toEqual(instance({ id: "empty" }));
});

test("ping is answered by any scheduler that answers at all", async () => {
  const scheduler = await FakeScheduler.start();
  await connect(scheduler.address).ping();
  await expect(connect("127.0.0.1:1").ping()).rejects.toMatchObject({ kind: "unavailable" });
});

test("REFUSAL-1: after a refusal reads are not sent again at once, and fail with the same error", async () => {
  const scheduler = await FakeScheduler.start({ getInstance: failing(status.PERMISSION_DENIED) });
  const client = connect(scheduler.address);
  const refused = { name: "SchedulerError", kind: "refused" };
  for (let read = 0; read < 5; read += 1) {
    await expect(client.getInstance(`op-${read}`)).rejects.toMatchObject(refused);
  }
  await expect(client.ping()).rejects.toMatchObject(refused);
  expect(scheduler.of("getInstance")).toHaveLength(1);
  // A start is a person's wish, and may need another role than a read.
  await client.startOrchestration({ id: "x", name: "name", input: "{}" });
});

test("REFUSAL-2: reads are sent again after a while, and the first answer ends the refusal", async () => {
  let isRefused = true;
  const scheduler = await FakeScheduler.start({
    getInstance: (call, done) => {
      if (isRefused) failing(status.UNAUTHENTICATED)(call as never, done);
      else done(null, new pb.GetInstanceResponse());
    },
  });
  const client = connect(scheduler.address);
  await expect(client.ping()).rejects.toMatchObject({ kind: "refused" });
  isRefused = false;
  await eventually("an answer", () =>
    client.ping().then(
      () => true,
      () => false,
    ),
  );
  await client.getInstance("x");
  expect(scheduler.of("getInstance")).toHaveLength(3);
});

test("any other failure does not delay the next read", async () => {
  const scheduler = await FakeScheduler.start({ getInstance: failing(status.RESOURCE_EXHAUSTED) });
  const client = connect(scheduler.address);
  for (let read = 0; read < 3; read += 1) {
    await expect(client.ping()).rejects.toMatchObject({ kind: "throttled" });
  }
  expect(scheduler.of("getInstance")).toHaveLength(3);
});

test("at the level debug each call is a line with its instance, duration and outcome", async () => {
  const log = startLog("debug");
  const scheduler = await FakeScheduler.start({ startInstance: failing(status.INVALID_ARGUMENT) });
  const client = connect(scheduler.address, "mine", log.logger);
  await client.getInstance("op-1");
  await client.startOrchestration({ id: "op-2", name: "name", input: "{}" }).catch(() => undefined);
  expect(log.lines).toMatchObject([
    { level: 20, rpc: "GetInstance", operationId: "op-1", outcome: "ok" },
    { level: 20, rpc: "StartInstance", operationId: "op-2", outcome: "invalid" },
  ]);
  expect(log.lines.map(({ durationMs }) => typeof durationMs)).toEqual(["number", "number"]);
});
