import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { haproxy } from "../helpers/proxies/haproxy.ts";
import { startProxy } from "../helpers/proxies/program.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startOperation } from "./support.ts";

/** The default. Processes of other tests have none. */
const DRAIN_DELAY_MS = "5000";

/** Sends one request after the other until it is stopped. */
class Load {
  readonly outcomes = new Map<string, number>();
  #running = true;
  readonly #done: Promise<void>;

  constructor(url: URL, init: RequestInit) {
    this.#done = (async () => {
      while (this.#running) {
        const outcome = await fetch(url, init).then(
          async (response) => {
            await response.text();
            return String(response.status);
          },
          (error: Error) => String((error.cause as { code?: string })?.code ?? error.message),
        );
        this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
      }
    })();
  }

  async stop(): Promise<string[]> {
    this.#running = false;
    await this.#done;
    return [...this.outcomes.keys()];
  }
}

test("a rolling restart behind HAProxy with its default checks fails no request, and streams resume at another replica", async () => {
  const scheduler = AppProcess.start(["scheduler"], {});
  const env = { ENDPOINT: `http://${await scheduler.schedulerAddress()}`, DRAIN_DELAY_MS };
  const replicas = [AppProcess.start(["api"], env), AppProcess.start(["api"], env)] as const;
  const urls = [await replicas[0].url(), await replicas[1].url()] as const;
  const front = await startProxy(haproxy, ...urls);
  const id = await startOperation(front, { processing_time: 3600, steps: 1 });
  const status = new URL(`/api/operations/${id}`, front);
  const [first] = urls;
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, first));
  await stream.nextState();

  const loads = [
    new Load(status, {}),
    new Load(status, { headers: { connection: "close" } }),
    new Load(new URL("/api/start-operation", front), {
      method: "POST",
      headers: { "content-type": "application/json", connection: "close" },
      body: '{"processing_time":0}',
    }),
  ];
  const startedMs = performance.now();
  const exit = replicas[0].kill("SIGTERM");
  const received = await stream.untilBye();
  // Load balancers have the delay to notice, before any stream is drained.
  expect(performance.now() - startedMs).toBeGreaterThan(Number(DRAIN_DELAY_MS) - 100);
  expect(received.at(-1)?.data).toMatchObject({ reason: "drain", reconnect: true });
  await eventually("the stream to resume at the other replica", async () => {
    const again = await SseClient.connect(new URL(`/api/operations/${id}/events`, front));
    const { event, data } = await again.nextState();
    if (event === "bye") expect(data.reason).toBe("drain");
    return event === "snapshot";
  });

  expect(await exit).toEqual({ code: 0, signal: null });
  const outcomes = await Promise.all(loads.map((load) => load.stop()));
  expect(outcomes).toEqual([["200"], ["200"], ["202"]]);
});
