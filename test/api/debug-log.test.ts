import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { testConfig } from "../helpers/stack.ts";

test("LOG_LEVEL=debug says why each read was made, and what each subscription was for", async () => {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      for (const line of String(chunk).split("\n").filter(Boolean)) lines.push(JSON.parse(line));
      done();
    },
  });
  const scheduler = await ScriptedScheduler.start([instance()]);
  const target = {
    address: scheduler.address,
    taskHub: "default",
    authentication: { kind: "none" as const },
  };
  const api = await startApi(
    testConfig({ target, pollMinMs: 20, pollMaxMs: 40 }),
    pino({ level: "debug" }, sink),
  );
  onTestFinished(() => api.close());
  const client = await SseClient.connect(new URL("/api/operations/op/events", api.url));
  await client.nextState();
  await eventually("a refresh", () => lines.some(({ why }) => why === "refresh"));
  client.destroy();
  await eventually("the end", () => lines.some(({ msg }) => msg === "subscription closed"));
  const of = (msg: string) => lines.find((line) => line.msg === msg);
  expect(of("subscription opened")).toMatchObject({ operation: "op", resumes: false });
  expect(of("read")).toMatchObject({ operation: "op", why: "first" });
  expect(of("subscription closed")).toMatchObject({ operation: "op" });
});
