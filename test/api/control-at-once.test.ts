import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client, send } from "./support/operations.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* What is done through this API reaches its subscribers although the next poll is an hour away. */

const stack = useSharedStack();
useForeignWorker(stack);

const HOUR_MS = 3_600_000;
const POLLED_RARELY = { pollMinMs: HOUR_MS, pollMaxMs: HOUR_MS, completionCalls: 0 };

/** A scheduler at which a command has its effect at once, and reads show it only at the fourth. */
async function startScripted() {
  const scheduler = await ScriptedScheduler.start([instance({ id: "op" })], {
    suspendInstance: accept(() => ({ status: "SUSPENDED" }), new pb.SuspendResponse()),
    resumeInstance: accept(() => ({ status: "RUNNING" }), new pb.ResumeResponse()),
    raiseEvent: accept(() => ({ customStatus: '"told"' }), new pb.RaiseEventResponse()),
    terminateInstance: accept(() => ({ status: "TERMINATED" }), new pb.TerminateResponse()),
  });
  function accept(change: () => Partial<Instance>, response: unknown) {
    return (_call: unknown, done: (error: null, response: unknown) => void) => {
      scheduler.set("op", change());
      let reads = 0;
      scheduler.isStale = () => {
        reads += 1;
        return reads < 4;
      };
      done(null, response);
    };
  }
  return client(await startTestApi(scheduler.address, POLLED_RARELY));
}

test("the effect of each verb reaches subscribers at once, also where reads lag (WATCH-6)", async () => {
  const api = await startScripted();
  const sse = await SseClient.connect(api.at("/api/operations/op/events"));
  const ws = await WsClient.connect(api.at("/"), "/api/ws?operation_id=op");
  expect((await sse.nextState()).data.operation.status).toBe("RUNNING");
  expect((await ws.nextOf("snapshot")).operation.status).toBe("RUNNING");
  for (const [verb, shown] of [
    ["suspend", { status: "SUSPENDED" }],
    ["resume", { status: "RUNNING" }],
    ["events/go", { status: "RUNNING", custom_status: "told" }],
    ["terminate", { status: "TERMINATED" }],
  ] as const) {
    const response = await send(api.at(`/api/operations/op/${verb}`));
    expect(response.status).toBe(202);
    expect((await sse.nextState()).data.operation).toMatchObject(shown);
    expect((await ws.nextOf("update")).operation).toMatchObject(shown);
  }
  expect((await sse.nextState()).data.reason).toBe("terminal");
});

// The embedded scheduler shows both as soon as it has accepted them.
test("a feed learns at once of a rewound and of a restarted operation", async () => {
  const api = client(await startTestApi(stack.address, POLLED_RARELY));
  const id = await client(stack).started({ name: "recovers", operation_id: "again-1" });
  await client(stack).reaches(id, "Failed");
  const feed = await SseClient.connect(api.at("/api/events?prefix=again-"));
  const next = async () => (await feed.nextState()).data.operation;
  expect(await next()).toMatchObject({ operation_id: id, status: "Failed" });
  await send(api.at(`/api/operations/${id}/rewind`));
  expect((await next()).status).not.toBe("Failed");
  await client(stack).reaches(id, "Completed");
  const { created_at } = await client(stack).read(id);
  await send(api.at(`/api/operations/${id}/restart`));
  for (;;) if ((await next()).created_at > created_at) break;
});
