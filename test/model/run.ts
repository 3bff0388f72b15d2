import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { eventually, eventuallyWithProgress, type Progress } from "../helpers/deadline.ts";
import type { Fault, ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import type { Follower } from "./follower.ts";
import { createFollower, KINDS } from "./followers.ts";
import { missing, violations } from "./invariants.ts";
import { CHANGES, World } from "./world.ts";

/** One thing that happens in a run. Numbers are taken modulo whatever there is to choose from. */
export type Step =
  | {
      readonly do: "change";
      readonly operation: number;
      readonly kind: number;
      readonly choice: number;
    }
  | {
      readonly do: "follow";
      readonly kind: number;
      readonly operation: number;
      readonly several: number;
      readonly replica: number;
    }
  | { readonly do: "leave" | "resubscribe" | "stall" | "unstall"; readonly follower: number }
  | { readonly do: "resume"; readonly follower: number; readonly replica: number }
  /** A hint, of an operation that has changed or not, or of one that does not exist. */
  | { readonly do: "hint"; readonly operation: number; readonly replica: number }
  | { readonly do: "fault"; readonly kind: number }
  | { readonly do: "recovery" }
  /** From now on, of ten reads so many are answered with an older state. */
  | { readonly do: "stale"; readonly ofTen: number }
  | { readonly do: "reads"; readonly count: number };

// Without bias, since small numbers and short scripts are no likelier to find anything.
const any = fc.noBias(fc.nat({ max: 1000 }));

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 14,
      arbitrary: fc.record({ do: fc.constant("change"), operation: any, kind: any, choice: any }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("follow"),
        kind: any,
        operation: any,
        several: any,
        replica: any,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("resume"), follower: any, replica: any }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("leave", "resubscribe", "stall", "unstall"),
        follower: any,
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("hint"), operation: any, replica: any }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fault"), kind: any }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("recovery") }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("stale"), ofTen: fc.noBias(fc.nat({ max: 8 })) }),
    },
    {
      weight: 14,
      arbitrary: fc.record({ do: fc.constant("reads"), count: fc.noBias(fc.nat({ max: 8 })) }),
    },
  ) as fc.Arbitrary<Step>,
  { minLength: 10, maxLength: 80, size: "max" },
);

const FAULTS: readonly Fault[] = [
  { kind: "error", code: status.INTERNAL },
  { kind: "error", code: status.UNAVAILABLE },
  { kind: "error", code: status.RESOURCE_EXHAUSTED },
  { kind: "slow", ms: 30 },
  { kind: "slow", ms: 120 },
  { kind: "held" },
];
const MAX_FOLLOWERS = 12;
/** Reads that both replicas together make in some 10 s when nothing else runs. */
const READS_TO_SETTLE = 3000;

/** What a run uses: one scheduler, and several replicas of the API. */
export interface Stage {
  readonly scheduler: ScriptedScheduler;
  readonly replicas: readonly URL[];
  /** Queries that the scheduler has answered and no longer lists among its calls. */
  queries: number;
}

let runs = 0;

/** Runs `script` until nothing more happens. @throws an error with the timeline of a violation */
export async function play(stage: Stage, script: readonly Step[]): Promise<void> {
  runs += 1;
  const ids = ["a", "b", "c"].map((letter) => `${letter}${runs}`);
  const world = new World(stage.scheduler, ids);
  const followers: Follower[] = [];
  try {
    for (const step of script) await perform(step, stage, world, followers);
    await settle(stage, world, followers);
    await resumeAll(stage, world, followers);
  } catch (error) {
    const found = followers.flatMap((each) => violations(each, world));
    const timeline = [(error as Error).message, ...found, "", ...world.timeline].join("\n");
    throw new Error(timeline, { cause: error });
  } finally {
    recover(stage);
    for (const each of followers) each.disconnect();
    for (const id of ids) stage.scheduler.forget(id);
  }
}

async function perform(
  step: Step,
  { scheduler, replicas }: Stage,
  world: World,
  followers: Follower[],
): Promise<void> {
  const id = (operation: number) => world.ids[operation % world.ids.length] as string;
  const chosen = (follower: number) => followers[follower % Math.max(1, followers.length)];
  switch (step.do) {
    case "change":
      world.change(id(step.operation), CHANGES[step.kind % CHANGES.length] ?? "touch", step.choice);
      break;
    case "follow": {
      if (followers.length >= MAX_FOLLOWERS) break;
      const count = 1 + (step.several % world.ids.length);
      const ids = Array.from({ length: count }, (_, index) => id(step.operation + index));
      const kind = KINDS[step.kind % KINDS.length] ?? "one";
      const follower = createFollower(kind, followers.length, ids, replicas, world);
      followers.push(follower);
      follower.connect(step.replica);
      break;
    }
    case "leave":
      chosen(step.follower)?.disconnect();
      break;
    case "resubscribe":
      chosen(step.follower)?.resubscribe();
      break;
    case "stall":
    case "unstall":
      chosen(step.follower)?.stall(step.do === "stall");
      break;
    case "resume":
      chosen(step.follower)?.connect(step.replica);
      break;
    case "hint": {
      const ids = [...world.ids, "unknown"];
      const hinted = ids[step.operation % ids.length] as string;
      const replica = replicas[step.replica % replicas.length] as URL;
      world.note(`hint of ${hinted}`);
      await sendHint(replica, hinted);
      break;
    }
    case "fault":
      scheduler.fault = FAULTS[step.kind % FAULTS.length] ?? { kind: "none" };
      world.note(`scheduler: ${JSON.stringify(scheduler.fault)}`);
      break;
    case "recovery":
      scheduler.fault = { kind: "none" };
      world.note("scheduler: no fault");
      break;
    case "stale": {
      // Counted, not drawn, so that a run depends on as little as possible.
      let reads = 0;
      scheduler.isStale = () => {
        reads += 1;
        return (reads * 7) % 10 < step.ofTen;
      };
      world.note(`scheduler: ${step.ofTen} of 10 reads are stale`);
      break;
    }
    case "reads":
      await waitForReads(scheduler, step.count);
      break;
  }
}

async function sendHint(replica: URL, id: string): Promise<void> {
  const response = await fetch(new URL("/api/hints", replica), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ operation_ids: [id] }),
  });
  if (response.status !== 204) throw new Error(`A hint was answered ${response.status}`);
}

/** Waits for a few reads, or for a moment in which there are none. */
async function waitForReads(scheduler: ScriptedScheduler, count: number): Promise<void> {
  const wanted = scheduler.calls.length + count;
  const endMs = Date.now() + 60;
  await eventually("reads", () => scheduler.calls.length >= wanted || Date.now() > endMs);
}

function recover(stage: Stage): void {
  const { scheduler } = stage;
  scheduler.fault = { kind: "none" };
  scheduler.isStale = () => false;
  if (scheduler.calls.length <= 20_000) return;
  stage.queries += scheduler.countOf("queryInstances");
  scheduler.calls.length = 0;
}

/** Once nothing fails and nothing changes, each connected follower receives the present states. */
async function settle(stage: Stage, world: World, followers: readonly Follower[]): Promise<void> {
  recover(stage);
  world.note("no more faults");
  const staying = followers.filter((each) => each.isConnected || each.isFinished);
  for (const each of staying) each.stall(false);
  await receivePresent(stage, world, staying);
  const active = world.ids.filter(
    (id) =>
      world.isActive(id) &&
      staying.some((each) => each.isConnected && each.ids.includes(id) && !each.finished.has(id)),
  );
  const before = new Map(active.map((id) => [id, stage.scheduler.findsOf(id)]));
  await eventuallyWithProgress(
    "two more reads of every operation",
    () => active.every((id) => stage.scheduler.findsOf(id) >= (before.get(id) ?? 0) + 2),
    progress(stage),
  );
  check(world, followers);
}

/** All followers resume at another replica, receive nothing new, and then the end of all operations. */
async function resumeAll(
  stage: Stage,
  world: World,
  followers: readonly Follower[],
): Promise<void> {
  world.note("all followers resume at another replica");
  followers.forEach((each, index) => {
    if (!each.isFinished) each.connect(index + 1);
  });
  await eventuallyWithProgress(
    "all followers to be connected again",
    () => followers.every((each) => each.isAnswered || !each.isConnected),
    progress(stage),
  );
  await waitForReads(stage.scheduler, 3);
  world.note("all operations end");
  world.ids.forEach((id, index) => {
    world.end(id, index);
  });
  await receivePresent(stage, world, followers);
  await eventuallyWithProgress(
    "all subscriptions to end",
    () => followers.every((each) => each.isFinished),
    progress(stage),
  );
  check(world, followers);
}

function progress({ scheduler }: Stage): Progress {
  return { count: () => scheduler.calls.length, enough: READS_TO_SETTLE };
}

async function receivePresent(
  stage: Stage,
  world: World,
  followers: readonly Follower[],
): Promise<void> {
  const lacking = () => followers.flatMap((each) => missing(each, world) ?? []);
  try {
    const isComplete = () => lacking().length === 0;
    await eventuallyWithProgress("the present states", isComplete, progress(stage));
  } catch {
    throw new Error(`C3, C5: ${lacking().join("; ")}`);
  }
  check(world, followers);
}

function check(world: World, followers: readonly Follower[]): void {
  const [first] = followers.flatMap((each) => violations(each, world));
  if (first) throw new Error(first);
}
