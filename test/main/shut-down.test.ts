import { expect, test } from "vitest";
import { RawConnection } from "../api/support/raw-connection.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { startOperation } from "./support.ts";

/** What a process is given for its end by those who start and stop containers, at the least. */
const ENDS_WITHIN_MS = 10_000;

test("SIGTERM: open streams are told bye drain, and the process ends with code 0 although work is under way", async () => {
  const app = AppProcess.start(["all"], {});
  const url = await app.url();
  const id = await startOperation(url, { processing_time: 3600, steps: 1 });
  const sse = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  const ws = await WsClient.connect(url, `/api/ws?operation_id=${id}`);
  const half = await RawConnection.open(url);
  half.send("GET /healthz HTTP/1.1\r\n");
  await sse.nextState();
  await ws.nextOf("snapshot");
  await eventually("the operation to run", async () => {
    const response = await fetch(new URL(`/api/operations/${id}`, url));
    return ((await response.json()) as { status: string }).status === "RUNNING";
  });

  expect(await app.kill("SIGTERM", ENDS_WITHIN_MS)).toEqual({ code: 0, signal: null });
  expect((await sse.untilBye()).at(-1)?.data).toMatchObject({
    reason: "drain",
    reconnect: true,
  });
  expect(await sse.ended()).toBe("ended");
  expect(await ws.nextOf("bye")).toMatchObject({ reason: "drain", reconnect: true });
  expect((await ws.closed()).code).toBe(1012);
  expect(app.stdout).not.toMatch(/killed by timeout|second SIG/);
  expect(app.stderr).toBe("");
});

test("SIGINT ends a process that has nothing to do in less than five seconds", async () => {
  const app = AppProcess.start(["all"], {});
  await app.url();
  await app.printed(/worker connected/);
  expect(await app.kill("SIGINT", 5000)).toEqual({ code: 0, signal: null });
});

test("an API and a worker whose scheduler is away end with code 0 all the same", async () => {
  const env = { ENDPOINT: "http://127.0.0.1:1" };
  const [api, worker] = [AppProcess.start(["api"], env), AppProcess.start(["worker"], env)];
  const url = await api.url();
  const stream = await SseClient.connect(new URL("/api/operations/x/events", url));
  await worker.printed(/the scheduler does not answer the worker/);
  const exits = await Promise.all([
    api.kill("SIGTERM", ENDS_WITHIN_MS),
    worker.kill("SIGTERM", ENDS_WITHIN_MS),
  ]);
  expect(exits).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  expect((await stream.untilBye()).at(-1)?.data.reason).toBe("drain");
});
