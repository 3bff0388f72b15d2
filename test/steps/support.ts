import { eventually } from "../helpers/deadline.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import type { Stack } from "../helpers/stack.ts";

/** Short poll intervals, so that tests are quick, and no heartbeats. */
export const QUICK = { pollMinMs: 15, pollMaxMs: 40, heartbeatMs: 3_600_000, completionCalls: 0 };

export function stepsUrl(base: URL, id: string, more = ""): URL {
  return new URL(`/api/operations/${id}/events?detail=steps${more}`, base);
}

export function openSteps(
  { url }: Pick<Stack, "url">,
  id: string,
  { after, more = "" }: { after?: string | undefined; more?: string } = {},
): Promise<SseClient> {
  return SseClient.connect(
    stepsUrl(url, id, more),
    after === undefined ? {} : { "last-event-id": after },
  );
}

export const named = (events: readonly ReceivedEvent[], name: string) =>
  events.filter(({ event }) => event === name).map(({ data }) => data);

export const seqs = (events: readonly ReceivedEvent[]): number[] =>
  named(events, "step").map(({ seq }) => seq);

/** 1 to `last`. */
export const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Takes events up to the first that `is` accepts, and returns all of them. */
export async function until(
  stream: SseClient,
  is: (event: ReceivedEvent) => boolean,
  ms?: number,
): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (;;) {
    const event = await stream.nextState(ms);
    events.push(event);
    if (is(event)) return events;
  }
}

/** Takes events up to the step with this number. */
export const untilSeq = (stream: SseClient, seq: number, ms?: number) =>
  until(stream, ({ event, data }) => event === "step" && data.seq === seq, ms);

/** Value of a counter or gauge of `/metrics`, summed over the label sets that contain `label`. */
export async function metric(
  { url }: Pick<Stack, "url">,
  name: string,
  label = "",
): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const lines = text
    .split("\n")
    .filter((line) => /^\w+/.exec(line)?.[0] === name && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

export const historyReads = (api: Pick<Stack, "url">) =>
  metric(api, "dts_push_reads_total", 'rpc="StreamInstanceHistory"');

/** Waits until a number stays the same for three reads of the status. */
export async function settles(
  what: string,
  count: () => number | Promise<number>,
  statusReads: () => number,
): Promise<number> {
  return eventually(what, async () => {
    const before = await count();
    const reads = statusReads();
    await eventually("three more reads of the status", () => statusReads() >= reads + 3);
    return (await count()) === before ? before : undefined;
  });
}
