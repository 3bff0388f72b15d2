import { join } from "node:path";
import { expect, test } from "vitest";
import { AppProcess, temporaryFolder } from "../helpers/process.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { startOperation } from "./support.ts";

test("the scheduler killed during an operation and started again: the open stream continues to the terminal state", async () => {
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

  const id = await startOperation(url, { processing_time: 3, steps: 6 });
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  const percents: number[] = [];
  while (percents.length < 2) {
    const { data } = await stream.nextState();
    const percent = data.operation?.custom_status?.percent;
    if (percent !== undefined) percents.push(percent);
  }

  expect(await first.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
  const problem = await stream.nextState();
  expect(problem).toMatchObject({ event: "problem", data: { problem: { status: 503 } } });
  const second = AppProcess.start(["scheduler"], { SCHEDULER_DB, SCHEDULER_PORT });
  await second.schedulerAddress();

  const events = await stream.untilBye();
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
});

test("a worker killed during an operation: another one finishes it, and no step is reported twice", async () => {
  const address = await startTestScheduler();
  const api = await startTestApi(address, { pollMinMs: 50, pollMaxMs: 200 });
  const first = AppProcess.start(["worker"], { ENDPOINT: `http://${address}` });
  await first.printed(/worker connected/);
  const id = await api.startOperation({ processing_time: 2, steps: 4 });
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, api.url));
  const steps: number[] = [];
  const note = ({ data }: ReceivedEvent) => {
    const step = data.operation?.custom_status?.step;
    if (step !== undefined) steps.push(step);
  };
  while (steps.length < 1) note(await stream.nextState());

  await first.kill("SIGKILL");
  AppProcess.start(["worker"], { ENDPOINT: `http://${address}` });
  const events = await stream.untilBye();
  events.forEach(note);
  expect(events.at(-1)?.data.reason).toBe("terminal");
  expect(events.at(-2)?.data.operation.status).toBe("Completed");
  expect(steps).toEqual([...new Set(steps)].sort());
  expect(steps.at(-1)).toBe(4);
});
