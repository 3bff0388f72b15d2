import type { Instance } from "../../../src/dts/instance.ts";
import { eventually } from "../../helpers/deadline.ts";
import { type ProxyProgram, startProxy } from "../../helpers/proxies/program.ts";
import { instance } from "../../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../../helpers/scheduler/scripted-scheduler.ts";
import { type Stack, startTestApi } from "../../helpers/stack.ts";

/** Ids that URL parsers and proxies change in a path. */
export const ODD_IDS = [".", "..", "a/b", "a//b", "a%2Fb", "back\\slash", "a b?c#d", "t+1&x"];

export const WITH_GZIP = { "accept-encoding": "gzip" };
export const ENDED = { status: "COMPLETED", output: '"done"' } as const;

/** An API behind a proxy, and what it knows. */
export async function startBehind(proxy: ProxyProgram) {
  const scheduler = await ScriptedScheduler.start(ODD_IDS.map((id) => instance({ id })));
  const api = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50 });
  const front = await startProxy(proxy, api.url);
  const ids = [...ODD_IDS];
  let touches = 0;
  /** Waits until the API has no streams. Some proxies notice a disconnect only when there is something to send. */
  const noStreams = () =>
    eventually("all streams to be closed", async () => {
      touches += 1;
      for (const id of ids) scheduler.set(id, { customStatus: String(touches) });
      return (await openStreams(api)) === 0;
    });
  /** A new operation, seen through the proxy. */
  const newOperation = () => {
    const id = `op-${ids.length}`;
    ids.push(id);
    scheduler.set(id);
    const ask = (etag?: string | null) =>
      fetch(new URL(`/api/operations/${id}`, front), {
        headers: { prefer: "wait=25", ...(etag && { "if-none-match": etag }) },
      });
    return {
      id,
      events: new URL(`/api/operations/${id}/events`, front),
      set: (change: Partial<Instance>) => scheduler.set(id, change),
      ask,
    };
  };
  return { api, front, newOperation, noStreams };
}

/** Streams that the API has open. */
export async function openStreams({ url }: Pick<Stack, "url">): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^dts_push_connections\{transport="sse"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
