import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually, within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { checkProblem } from "./support/problem.ts";

test("a client that subscribes to nothing is closed with 4408, one that does not pong is cut off (30 s)", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address, { pollMinMs: 1000, pollMaxMs: 1000 });
  const idle = await WsClient.connect(url);
  const answering = await WsClient.connect(url, "/api/ws?operation_id=op");
  const silent = new WebSocket(`ws://${url.host}/api/ws?operation_id=op`, { autoPong: false });
  const cutOff = new Promise<number>((resolve) => silent.once("close", resolve));
  let pings = 0;
  silent.on("ping", () => {
    pings += 1;
  });

  const { problem } = await idle.nextOf("problem");
  checkProblem(JSON.stringify(problem), 408, "no-subscription");
  expect((await idle.closed()).code).toBe(4408);

  expect(await within("the silent client to be cut off", cutOff)).toBe(1006);
  expect(pings).toBe(1);
  await eventually("the disconnects to be counted", async () => {
    const metrics = await (await fetch(new URL("/metrics", url))).text();
    return /_disconnects_total\{reason="no-pong"\} 1$/m.test(metrics);
  });
  expect(answering.socket.readyState).toBe(WebSocket.OPEN);
});
