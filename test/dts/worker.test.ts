import { hostname } from "node:os";
import { status } from "@grpc/grpc-js";
import type pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { expect, onTestFinished, test } from "vitest";
import { createConnection } from "../../src/dts/connection/connection.ts";
import { type Registrations, type RunningWorker, startWorker } from "../../src/dts/worker.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { freePort } from "../helpers/free-port.ts";
import { FakeScheduler, failing } from "../helpers/scheduler/fake-scheduler.ts";
import { startTestScheduler } from "../helpers/stack.ts";
import { startBlackhole } from "./support/blackhole.ts";
import { startLog } from "./support/log.ts";

const NOTHING: Registrations = { orchestrators: {}, activities: {} };

function start(address: string, registrations = NOTHING) {
  const log = startLog();
  const target = { address, taskHub: "mine", authentication: { kind: "none" } } as const;
  const worker = startWorker(createConnection(target), registrations, log.logger);
  // It requests no more work at once; after that the SDK only sleeps for a second or two.
  onTestFinished(() => void worker.stop());
  return { worker, log };
}

const connected = (worker: RunningWorker) => within("the worker to connect", worker.connected);

test("identifies itself with each call, and requests work without a deadline", async () => {
  const scheduler = await FakeScheduler.start();
  const { worker } = start(scheduler.address);
  await connected(worker);
  await eventually("a request for work", () => scheduler.of("getWorkItems").length === 1);
  expect(scheduler.calls.map(({ method }) => method)).toEqual(["hello", "getWorkItems"]);
  const ids = scheduler.calls.map(({ metadata }) => {
    expect(metadata.get("taskhub")).toEqual(["mine"]);
    expect(String(metadata.get("x-user-agent"))).toMatch(/\(DurableTaskWorker\)$/);
    expect(metadata.get("authorization")).toEqual([]);
    return String(metadata.get("workerid"));
  });
  expect(ids[0]).toMatch(/^[^,]+,\d+,[0-9a-f]{32}$/);
  expect(ids[0]).toContain(`${hostname()},${process.pid},`);
  expect(ids[1]).toBe(ids[0]);
  const [hello, work] = scheduler.calls.map(({ deadlineMs }) => Math.ceil(deadlineMs / 1000));
  expect(hello).toBe(10);
  expect(work).toBe(Number.POSITIVE_INFINITY);
});

test("requests work of exactly the names that it has registered", async () => {
  const requests: pb.GetWorkItemsRequest[] = [];
  const scheduler = await FakeScheduler.start({
    getWorkItems: (call: { readonly request: unknown }) => {
      requests.push(call.request as pb.GetWorkItemsRequest);
    },
  });
  const { worker } = start(scheduler.address, {
    orchestrators: { ours: async function* () {} as never },
    activities: { work: () => undefined },
  });
  await connected(worker);
  const request = await eventually("a request for work", () => requests[0]);
  expect(request.getWorkitemfilters()?.toObject()).toEqual({
    orchestrationsList: [{ name: "ours", versionsList: [] }],
    activitiesList: [{ name: "work", versionsList: [] }],
    entitiesList: [],
  });
});

test("WORKER-1: a worker that starts before its scheduler connects once that is up", async () => {
  const port = await freePort();
  const { worker, log } = start(`127.0.0.1:${port}`);
  await log.logged(/worker: the scheduler does not answer/);
  await startTestScheduler(":memory:", port);
  await connected(worker);
});

test.for([
  [status.PERMISSION_DENIED, "does not accept the credentials"],
  [status.NOT_FOUND, "has no such task hub"],
  [status.RESOURCE_EXHAUSTED, "throttles this client"],
] as const)(
  "a worker that is refused with gRPC status %i says that the scheduler %s",
  async ([code, failure]) => {
    const scheduler = await FakeScheduler.start({ hello: failing(code, "details") });
    const { log } = start(scheduler.address);
    const line = await log.logged(/^worker: the scheduler/);
    expect(line).toMatchObject({
      level: 40,
      msg: `worker: the scheduler ${failure}`,
      reason: "Hello: details",
    });
  },
);

test("WORKER-1: a worker that the scheduler refuses at first tries again", async () => {
  let hellos = 0;
  const scheduler = await FakeScheduler.start({
    hello: (call, done) => {
      hellos += 1;
      if (hellos === 1) failing(status.PERMISSION_DENIED)(call as never, done);
      else done(null, new empty.Empty());
    },
  });
  const { worker } = start(scheduler.address);
  await connected(worker);
  expect(hellos).toBe(2);
});

test("a worker reconnects after its scheduler was away, without a warning of ours", async () => {
  const first = await FakeScheduler.start();
  const port = Number(first.address.split(":").at(-1));
  const { worker, log } = start(first.address);
  await connected(worker);
  await eventually("a request for work", () => first.of("getWorkItems").length === 1);
  first.stop();
  const second = await FakeScheduler.start({}, port);
  await eventually("a request for work", () => second.of("getWorkItems").length === 1);
  expect(log.lines.filter(({ msg }) => /does not answer/.test(msg))).toEqual([]);
});

test("WORKER-2: a worker stopped while it waits to reconnect requests no more work", async () => {
  const first = await FakeScheduler.start();
  const port = Number(first.address.split(":").at(-1));
  const { worker, log } = start(first.address);
  await connected(worker);
  await eventually("a request for work", () => first.of("getWorkItems").length === 1);
  first.stop();
  // The SDK waits for about a second before it connects again; `stop` takes two.
  await log.logged(/retry|reconnect/i);
  const stopped = worker.stop();
  const second = await FakeScheduler.start({}, port);
  await stopped;
  expect(second.calls.map(({ method }) => method)).toEqual([]);
});

test("a worker stops, also before it was ever connected", async () => {
  const scheduler = await FakeScheduler.start();
  const { worker } = start(scheduler.address);
  const { worker: unconnected, log } = start("127.0.0.1:1");
  await connected(worker);
  await log.logged(/does not answer/);
  await within("both to stop", Promise.all([worker.stop(), unconnected.stop()]));
});

test("a worker stops although its scheduler accepts connections and never answers", async () => {
  const { worker } = start(await startBlackhole());
  await within("the worker to stop", worker.stop());
});

test("the SDK's own log is at the level debug, its warnings are warnings", async () => {
  const scheduler = await startTestScheduler();
  const { worker, log } = start(scheduler);
  await connected(worker);
  const line = await log.logged(/connected/i);
  expect(line.level).toBe(20);
  expect(log.lines.filter(({ level }) => level > 20)).toEqual([]);
});
