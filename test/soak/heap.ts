import { setTimeout as pause } from "node:timers/promises";
import type { Member } from "./system/member.ts";

/** What may stay when all clients have left: compiled code, pools and caches. */
const MAX_GROWTH_MIB = 24;
/** Operations are read for 5 s after their last subscriber has left, and sockets close. */
const ATTEMPTS = 30;
const EVERY_MS = 1000;

/** Memory that objects of processes use, after collections of garbage. */
export class Heap {
  readonly #members: readonly Member[];
  readonly #before = new Map<Member, number>();
  readonly lines: string[] = [];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** Before the first client. */
  async start(): Promise<void> {
    for (const each of this.#members) this.#before.set(each, await usedMib(each));
  }

  async now(): Promise<string> {
    const used = await Promise.all(this.#members.map(usedMib));
    return used.map((mib) => `${mib.toFixed(1)}`).join(" and ");
  }

  /** Once there are no clients. @returns what is wrong */
  async check(): Promise<string[]> {
    const problems: string[] = [];
    for (const each of this.#members) {
      const before = this.#before.get(each) ?? 0;
      let after = await usedMib(each);
      for (let left = ATTEMPTS; left > 0 && after - before > MAX_GROWTH_MIB; left -= 1) {
        await pause(EVERY_MS);
        after = await usedMib(each);
      }
      const line = `${each.name}: ${before.toFixed(1)} MiB before the first client, ${after.toFixed(1)} after the last, ${Math.round(each.ageMs / 1000)} s old`;
      this.lines.push(line);
      if (after - before > MAX_GROWTH_MIB) problems.push(`heap of ${line}`);
    }
    return problems;
  }
}

async function usedMib(member: Member): Promise<number> {
  const usage = await member.settledUsage();
  return (usage?.heapUsedBytes ?? Number.NaN) / 1024 / 1024;
}
