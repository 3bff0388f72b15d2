import { expect, test } from "vitest";
import { RawConnection } from "../api/support/raw-connection.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { startOperation } from "./support.ts";

/** A module that makes the process that imports it throw where nothing catches. */
const FAILING_ON_SIGWINCH = `data:text/javascript,${encodeURIComponent(
  'process.on("SIGWINCH", () => { throw new Error("as the test wants it"); });',
)}`;

test("SIGTERM: open streams get bye drain, and the process ends with code 0 although work is in progress", async () => {
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

  expect(await app.kill("SIGTERM")).toEqual({ code: 0, signal: null });
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

test("SIGINT skips the drain delay (EXIT-2)", async () => {
  const app = AppProcess.start(["all"], { GRACE_MS: "600000", DRAIN_DELAY_MS: "500000" });
  await app.url();
  await app.printed(/worker connected/);
  expect(await app.kill("SIGINT")).toEqual({ code: 0, signal: null });
});

test("an API and a worker without a scheduler end with code 0", async () => {
  const env = { ENDPOINT: "http://127.0.0.1:1" };
  const [api, worker] = [AppProcess.start(["api"], env), AppProcess.start(["worker"], env)];
  const url = await api.url();
  const stream = await SseClient.connect(new URL("/api/operations/x/events", url));
  await worker.printed(/worker: the scheduler does not answer/);
  const exits = await Promise.all([api.kill("SIGTERM"), worker.kill("SIGTERM")]);
  expect(exits).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  expect((await stream.untilBye()).at(-1)?.data.reason).toBe("drain");
});

test("during the drain delay /readyz is 503 and everything is served; then streams are drained (EXIT-2)", async () => {
  const app = AppProcess.start(["all"], { GRACE_MS: "30000", DRAIN_DELAY_MS: "20000" });
  const url = await app.url();
  const id = await startOperation(url, { processing_time: 3600, steps: 1 });
  const get = (path: string) => fetch(new URL(path, url));
  const keptOpen = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  await keptOpen.nextState();
  const exit = app.kill("SIGTERM");
  const refused = await eventually("/readyz to say so", async () => {
    const response = await get("/readyz");
    return response.status === 503 && response;
  });
  expect(refused.headers.get("connection")).toBe("close");
  expect(await refused.json()).toMatchObject({ type: "urn:dts-push:problem:draining" });

  expect((await get(`/api/operations/${id}`)).status).toBe(200);
  expect(await startOperation(url, { processing_time: 0 })).toBeTruthy();
  const late = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  expect((await late.nextState()).event).toBe("snapshot");

  // EXIT-3: within a second it is the same signal.
  await eventually("a second signal to be taken as one", () => {
    app.signal("SIGTERM");
    return app.stdout.includes("second signal, closing at once");
  });
  for (const stream of [keptOpen, late]) {
    expect((await stream.untilBye()).at(-1)?.data.reason).toBe("drain");
  }
  expect(await exit).toEqual({ code: 0, signal: null });
});

test("a signal that arrives twice, by the process group and through npm, is one signal (EXIT-3)", async () => {
  const app = AppProcess.start(["api"], {
    ENDPOINT: "http://127.0.0.1:1",
    GRACE_MS: "7000",
    DRAIN_DELAY_MS: "3000",
  });
  await app.url();
  const startedMs = performance.now();
  const exit = app.kill("SIGTERM");
  app.signal("SIGTERM");
  expect(await exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeGreaterThan(2900);
  expect(app.stdout).not.toContain("second signal");
});

test("an unhandled error closes the process in order, with code 1 (EXIT-1)", async () => {
  const app = AppProcess.start(["all"], { NODE_OPTIONS: `--import=${FAILING_ON_SIGWINCH}` });
  const url = await app.url();
  const id = await startOperation(url, { processing_time: 3600, steps: 1 });
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  await stream.nextState();
  expect(await app.kill("SIGWINCH")).toEqual({ code: 1, signal: null });
  expect((await stream.untilBye()).at(-1)?.data.reason).toBe("drain");
  expect(app.stdout).toMatch(/"unhandled error, closing"/);
});
