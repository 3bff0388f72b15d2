import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "./random.ts";
import type { Disk } from "./system/disk.ts";
import type { Member } from "./system/member.ts";
import type { Relay } from "./system/relay.ts";
import { Reorder } from "./system/reorder.ts";
import type { System } from "./system/system.ts";

/** Something that goes wrong, and has been put right when `happen` resolves. */
export interface Fault {
  readonly name: string;
  /** Processes that are started again. */
  readonly ends: readonly Member[];
  /** Why it cannot happen here. */
  readonly missing?: string | false;
  happen(random: Random): Promise<void>;
}

/** Every kind of fault, for every process that it can happen to. */
export function faultsOf(system: System, disk: Disk): readonly Fault[] {
  const { members, replicas, worker, foreignWorker, apiLink, workerLink } = system;
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
      reorder(name, relay),
    ]),
    ...members.filter(({ runsNode }) => runsNode).map((each) => clockJump(each)),
    rollingRestart("the replicas", system, replicas),
    rollingRestart("the workers", system, [worker, foreignWorker]),
    fullDisk(disk),
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

/** Calls and answers overtake each other. */
function reorder(name: string, relay: Relay): Fault {
  return {
    name: `reorder ${name}`,
    ends: [],
    async happen(random) {
      const delays = random.fork();
      const reorder = await Reorder.start(relay.targetPort, () => delays.integer(0, 400));
      relay.detour(reorder.port);
      await pause(random.integer(2000, 6000));
      relay.restore();
      await reorder.close();
    },
  };
}

/** Up to an hour forward or back, and to the right time again. */
function clockJump(member: Member): Fault {
  const { name, clock } = member;
  return {
    name: `clock jumps, ${name}`,
    ends: [],
    missing: !clock && "libfaketime is not installed",
    async happen(random) {
      const direction = random.chance(50) ? 1 : -1;
      clock?.set(direction * random.integer(10, 3600));
      await pause(random.integer(2000, 6000));
      clock?.set(0);
    },
  };
}

/** One after the other ends in order, and is started again. */
function rollingRestart(name: string, system: System, members: readonly Member[]): Fault {
  return {
    name: `rolling restart of ${name}`,
    ends: members,
    async happen() {
      for (const member of members) {
        await member.end("SIGTERM");
        await member.start();
        while (!(await system.isReady())) await pause(50);
      }
    },
  };
}

function fullDisk(disk: Disk): Fault {
  return {
    name: "the scheduler's disk is full",
    ends: [],
    missing: !disk.canBeFilled && "cannot mount a tmpfs",
    async happen(random) {
      await disk.fill();
      await pause(random.integer(500, 3000));
      await disk.free();
    },
  };
}
