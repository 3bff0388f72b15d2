/** What is particular to nginx. What it has in common with other proxies is in proxies.test.ts. */

import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { expect, test } from "vitest";
import { parseTrustedProxies } from "../../src/api/access/trusted-proxies.ts";
import { AppProcess } from "../helpers/process.ts";
import { startProxy } from "../helpers/proxies/program.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { startBehind, WITH_GZIP } from "./support/behind.ts";
import { gzippingNginx, nginx, nginxWithoutUpgrade, passingNginx } from "./support/nginx.ts";

test("without the upgrade headers a WebSocket is refused with 426", async () => {
  const { front } = await startBehind(nginxWithoutUpgrade);
  await expect(WsClient.connect(front)).rejects.toThrow("426");
});

test("two in a row pass each event at once if the inner one passes X-Accel-Buffering on", async () => {
  const { front, newOperation } = await startBehind(passingNginx);
  const { events, set } = newOperation();
  const outer = await startProxy(gzippingNginx, front);
  const client = await SseClient.connect(new URL(events.pathname, outer), WITH_GZIP);
  expect((await client.nextState()).event).toBe("snapshot");
  set({ customStatus: "1" });
  expect((await client.nextState()).data.operation.custom_status).toBe(1);
});

test("a stream of 150 UUIDs fits into its request line, one of 200 does not", async () => {
  const { front } = await startBehind(nginx);
  const statusOf = async (count: number) => {
    const ids = Array.from({ length: count }, () => `operation_id=${randomUUID()}`);
    return (await SseClient.connect(new URL(`/api/events?${ids.join("&")}`, front))).status;
  };
  expect([await statusOf(150), await statusOf(200)]).toEqual([200, 414]);
});

test("dts-push watch gets the same last document over each transport", async () => {
  const stack = await startStack();
  const front = await startProxy(gzippingNginx, stack.url);
  const id = await stack.startOperation({ processing_time: 1 });
  const watching = ["websocket", "sse", "long-poll"].map(async (transport) => {
    const args = ["watch", id, "--json", "--transport", transport];
    const watch = AppProcess.start(args, { DTS_PUSH_URL: front.href });
    expect(await watch.exited()).toEqual({ code: 0, signal: null });
    return JSON.parse(watch.stdout.trim().split("\n").at(-1) ?? "");
  });
  const [first, ...others] = await Promise.all(watching);
  expect(first).toMatchObject({ operation_id: id, status: "Completed" });
  expect(others).toEqual([first, first]);
});

test("with TRUST_PROXY each of its clients is a caller of its own, whatever it sends itself", async () => {
  const scheduler = await ScriptedScheduler.start();
  const trustedProxies = parseTrustedProxies("127.0.0.1");
  const limits = { maxCommandsPerMinutePerCaller: 1, trustedProxies };
  const front = await startProxy(nginx, (await startTestApi(scheduler.address, limits)).url);
  /** The status of a start, which counts also where its body is none. */
  const start = (localAddress: string, forwarded: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { "content-type": "application/json", "x-forwarded-for": forwarded };
      const options = { method: "POST", localAddress, headers, agent: false };
      request(new URL("/api/start-operation", front), options, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .once("error", reject)
        .end("[]");
    });
  expect(await start("127.0.0.2", "192.0.2.1")).toBe(400);
  expect(await start("127.0.0.2", "192.0.2.2")).toBe(429);
  expect(await start("127.0.0.3", "192.0.2.1")).toBe(400);
});
