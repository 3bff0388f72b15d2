import { join } from "node:path";
import { expect, test } from "vitest";
import { RawConnection } from "../api/support/raw-connection.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess, temporaryFolder } from "../helpers/process.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";

/** What a process is given for its end by those who start and stop containers, at the least. */
const ENDS_WITHIN_MS = 10_000;

async function start(url: URL, body: object): Promise<string> {
  const response = await fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { operation_id: string }).operation_id;
}

test("SIGTERM: open streams are told bye drain, and the process ends with code 0 although work is under way", async () => {
  const app = AppProcess.start(["all"], {});
  const url = await app.url();
  const id = await start(url, { processing_time: 3600, steps: 1 });
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

test("SIGINT ends a process that has nothing to do in less than three seconds", async () => {
  const app = AppProcess.start(["all"], {});
  await app.url();
  await app.printed(/worker connected/);
  expect(await app.kill("SIGINT", 3000)).toEqual({ code: 0, signal: null });
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

test("the scheduler killed in mid-operation and started again: the open stream goes on to the end", async () => {
  const SCHEDULER_DB = join(await temporaryFolder(), "scheduler.db");
  const first = AppProcess.start(["scheduler"], { SCHEDULER_DB });
  const address = await first.schedulerAddress();
  const [, SCHEDULER_PORT = ""] = /:(\d+)$/.exec(address) ?? [];
  const worker = AppProcess.start(["worker"], { ENDPOINT: `http://${address}` });
  const api = AppProcess.start(["api"], {
    ENDPOINT: `http://${address}`,
    POLL_MIN_MS: "50",
    POLL_MAX_MS: "500",
  });
  const url = await api.url();
  await worker.printed(/worker connected/);

  const id = await start(url, { processing_time: 3, steps: 6 });
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  const percents: number[] = [];
  while (percents.length < 2) {
    const { data } = await stream.nextState();
    const percent = data.operation?.custom_status?.percent;
    if (percent !== undefined) percents.push(percent);
  }

  expect(await first.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
  const trouble = await stream.nextState();
  expect(trouble).toMatchObject({ event: "problem", data: { problem: { status: 503 } } });
  const second = AppProcess.start(["scheduler"], { SCHEDULER_DB, SCHEDULER_PORT });
  await second.schedulerAddress();

  const events = await stream.untilBye(25_000);
  for (const { data } of events) {
    const percent = data.operation?.custom_status?.percent;
    if (percent !== undefined) percents.push(percent);
  }
  expect(percents).toEqual([...new Set(percents)].sort((a, b) => a - b));
  expect(events.at(-2)?.data.operation).toMatchObject({
    status: "Completed",
    custom_status: { percent: 100 },
    result: { operation_id: id },
  });
  expect(events.at(-1)?.data.reason).toBe("terminal");
  expect(await stream.ended()).toBe("ended");
}, 45_000);
