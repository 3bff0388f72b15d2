import { setTimeout as pause } from "node:timers/promises";
import type { Disk } from "./disk.ts";
import type { Member } from "./member.ts";
import type { Random } from "./random.ts";
import type { System } from "./system.ts";

/** Something that goes wrong, and has been put right when `happen` resolves. */
export interface Fault {
  readonly name: string;
  /** Processes that are started again. */
  readonly ends: readonly Member[];
  happen(random: Random): Promise<void>;
}

/** Every kind of fault, for every process that it can happen to. */
export function faultsOf(system: System, disk: Disk): readonly Fault[] {
  const { members, replicas, apiLink, workerLink } = system;
  const halts = members.map((each) => halt(each));
  const kills = members.map((each) => kill(each));
  const links = [
    { name: "the replicas' connections to the scheduler", relay: apiLink },
    { name: "the workers' connections to the scheduler", relay: workerLink },
  ];
  return [
    ...kills,
    ...halts,
    ...links.flatMap(({ name, relay }): Fault[] => [
      {
        name: `cut ${name}`,
        ends: [],
        async happen(random) {
          relay.cut();
          await pause(random.integer(100, 4000));
          relay.restore();
        },
      },
      {
        name: `slow ${name}`,
        ends: [],
        async happen(random) {
          relay.slow(random.integer(50, 400));
          await pause(random.integer(1000, 5000));
          relay.restore();
        },
      },
    ]),
    { name: "rolling restart", ends: replicas, happen: () => rollingRestart(system) },
    ...(disk.canBeFilled ? [fullDisk(disk)] : []),
  ];
}

function kill(member: Member): Fault {
  return {
    name: `kill -9 ${member.name}`,
    ends: [member],
    async happen(random) {
      await member.end("SIGKILL");
      await pause(random.integer(0, 3000));
      await member.start();
    },
  };
}

/** Its connections stay open, and nothing is answered. */
function halt(member: Member): Fault {
  return {
    name: `SIGSTOP ${member.name}`,
    ends: [],
    async happen(random) {
      member.signal("SIGSTOP");
      await pause(random.integer(200, 6000));
      member.signal("SIGCONT");
    },
  };
}

async function rollingRestart(system: System): Promise<void> {
  for (const replica of system.replicas) {
    await replica.end("SIGTERM");
    await replica.start();
    while (!(await system.isReady())) await pause(50);
  }
}

function fullDisk(disk: Disk): Fault {
  return {
    name: "the scheduler's disk is full",
    ends: [],
    async happen(random) {
      await disk.fill();
      await pause(random.integer(500, 3000));
      await disk.free();
    },
  };
}
