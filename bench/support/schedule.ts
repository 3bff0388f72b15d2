/** When events are due, whatever the server under measurement manages: an open loop. */
import { setImmediate, setTimeout } from "node:timers/promises";

export interface Schedule {
  readonly perSecond: number;
  /** Events in all. */
  readonly rounds: number;
}

/**
 * Calls `send` for each event when it is due, or as soon as this process gets to it. A lag counts from the time
 * that was due, so that a server which is late with one event is late with all that follow.
 *
 * @param send gets that time, in epoch milliseconds
 * @returns when the last has been sent: the time at which the first was due, in epoch milliseconds
 */
export async function onSchedule(
  { perSecond, rounds }: Schedule,
  send: (dueAtMs: number) => void,
): Promise<number> {
  const [beganAtMs, beganMs] = [Date.now(), performance.now()];
  for (let round = 0; round < rounds; round += 1) {
    const afterMs = Math.round((round * 1000) / perSecond);
    const earlyMs = beganMs + afterMs - performance.now();
    // Where it is late, what was written still gets out in between.
    await (earlyMs > 0 ? setTimeout(earlyMs) : setImmediate());
    send(beganAtMs + afterMs);
  }
  return beganAtMs;
}
