import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { startLog } from "../dts/support/log.ts";
import { type ForeignCode, startSdkWorker } from "../helpers/sdk.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestScheduler, testConfig } from "../helpers/stack.ts";

/** In everything that a request or an orchestration can carry. */
const SECRET = "planted-4711";

/** Orchestrations that show what they were given wherever they can. */
const code: ForeignCode = {
  orchestrators: {
    async *shows(context: OrchestrationContext, input: unknown) {
      context.setCustomStatus({ input });
      const event: unknown = yield context.waitForExternalEvent("go");
      context.setCustomStatus({ event });
      return { input, event };
    },
    // biome-ignore lint/correctness/useYield: it fails in its first turn.
    async *fails(_context: OrchestrationContext, input: unknown) {
      throw new Error(`failed with ${JSON.stringify(input)}`);
    },
  },
};

test("what requests and orchestrations carry never appears in the log, at any level", async () => {
  const address = await startTestScheduler();
  await startSdkWorker(address, code);
  const log = startLog("trace");
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const api = await startApi(testConfig({ target }), log.logger);
  onTestFinished(() => api.close());
  const url = (path: string) => new URL(path, api.url.replace("localhost", "127.0.0.1"));
  const post = (path: string, body: unknown, headers = {}) =>
    fetch(url(path), {
      method: "POST",
      headers: { "content-type": "application/json", cookie: SECRET, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  const tags = { team: SECRET };
  const input = { password: SECRET };
  const started = { name: "shows", operation_id: "op", version: SECRET, tags, input };
  expect((await post("/api/operations", started)).status).toBe(202);
  const stream = await SseClient.connect(
    url("/api/operations/op/events?detail=steps&include=payloads"),
  );
  await post("/api/operations/op/events/go", { event: SECRET });
  const failing = { name: "fails", operation_id: "failing", input };
  expect((await post("/api/operations", failing)).status).toBe(202);
  const failed = await SseClient.connect(url("/api/operations/failing/events"));
  for (const each of [stream, failed]) await each.untilBye();
  expect(stream.raw).toContain(SECRET);
  expect(failed.raw).toContain(SECRET);

  // What is refused, by the body, the query, a header or the state.
  await post("/api/operations", `{"name":"${SECRET}`);
  await post("/api/operations", { [SECRET]: SECRET });
  await post("/api/operations", { name: "shows", input }, { "idempotency-key": SECRET });
  await post("/api/operations/op/terminate", { reason: SECRET });
  await post("/api/operations/op/suspend", { reason: SECRET });
  await fetch(url(`/api/operations?${SECRET}=${SECRET}`));
  await fetch(url("/api/operations?include=input,result"), { headers: { "x-secret": SECRET } });
  await fetch(url("/api/operations?operation_id=op&include=input"));
  await fetch(url("/api/operations/op/history?include=payloads"));
  await log.found({ route: "/api/operations/:id/history" });

  expect(log.lines.length).toBeGreaterThan(20);
  expect(log.lines.filter((line) => JSON.stringify(line).includes(SECRET))).toEqual([]);
});
