import { expect, test } from "vitest";
import type { HistoryEntry } from "../../src/dts/history.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import { ReadBudget } from "../../src/streaming/read-budget.ts";
import { START } from "../../src/streaming/steps/position.ts";
import { StepFollower, type StepSubscriber } from "../../src/streaming/steps/step-follower.ts";
import { type FollowedSteps, StepSources } from "../../src/streaming/steps/step-sources.ts";
import { eventually } from "../helpers/deadline.ts";

const MOMENTS = ["onStep", "onReset", "onPresent", "onStepError"] as const;
type Moment = (typeof MOMENTS)[number];

/** A history of so many entries. */
function entries(executionId: string, count: number): HistoryEntry[] {
  const blank = {
    eventId: -1,
    name: undefined,
    completes: undefined,
    executionId: undefined,
    status: undefined,
    failure: undefined,
    input: undefined,
    output: undefined,
  };
  return Array.from({ length: count }, (_, atMs) =>
    atMs === 0
      ? { ...blank, type: "EXECUTIONSTARTED", atMs, executionId }
      : { ...blank, type: "ORCHESTRATORSTARTED", atMs },
  );
}

/** The sources of a process over a history that a test can change. */
function startSources() {
  const state = {
    entries: entries("one", 5),
    reads: 0,
    openReads: 0,
    fails: false,
  };
  const reader = {
    async *readHistory() {
      state.reads += 1;
      state.openReads += 1;
      try {
        await new Promise((resolve) => setImmediate(resolve));
        if (state.fails) throw new Error("as the test wants it");
        for (const entry of state.entries) yield [entry];
      } finally {
        state.openReads -= 1;
      }
    },
  };
  const budget = new ReadBudget({ readsPerSecond: 10_000 });
  return { state, sources: new StepSources(reader, budget, createMetrics()) };
}

/** A subscriber that leaves as soon as it is told something of this kind. */
class Leaver implements StepSubscriber {
  readonly told: string[] = [];
  ready = true;
  #followed: FollowedSteps | undefined;
  readonly #at: Moment | undefined;

  constructor(at: Moment | undefined) {
    this.#at = at;
  }

  follow(sources: StepSources): void {
    this.#followed = sources.follow("op", new StepFollower(this, START));
  }

  leave(): void {
    this.#followed?.leave();
  }

  expects(): boolean {
    return true;
  }
  onStep(): void {
    this.#tell("onStep");
  }
  onReset(): void {
    this.#tell("onReset");
  }
  onPresent(): void {
    this.#tell("onPresent");
  }
  onStepError(): void {
    this.#tell("onStepError");
  }

  #tell(what: Moment): void {
    this.told.push(what);
    if (what === this.#at) this.leave();
  }
}

/** Makes every kind of moment come: steps, a reset by another and by a shorter history, trouble. */
async function everything(
  { state, sources }: ReturnType<typeof startSources>,
  isOver: () => boolean,
): Promise<void> {
  const stages = [
    () => {},
    () => {
      state.entries = entries("one", 8);
    },
    () => {
      state.entries = entries("two", 3);
    },
    () => {
      state.entries = entries("two", 2);
    },
    () => {
      state.fails = true;
    },
  ];
  for (const stage of stages) {
    if (isOver()) return;
    stage();
    sources.moved("op");
    const endMs = Date.now() + 2500;
    const reads = state.reads;
    await eventually("reads", () => isOver() || Date.now() > endMs || state.reads >= reads + 6);
  }
}

test.concurrent.for(MOMENTS)(
  "T4: one that leaves inside %s is told no more, and nothing is read for it",
  async (at) => {
    const stage = startSources();
    const leaver = new Leaver(at);
    leaver.follow(stage.sources);
    await everything(stage, () => leaver.told.includes(at));
    expect(leaver.told.filter((what) => what === at)).toHaveLength(1);
    expect(leaver.told.at(-1)).toBe(at);
    await eventually("the end of what was being read", () => stage.state.openReads === 0);
    const { reads } = stage.state;
    expect(stage.sources.moved("op")).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stage.state.reads).toBe(reads);
    expect(leaver.told.at(-1)).toBe(at);
  },
);

test.concurrent.for(MOMENTS)(
  "H1: one that leaves inside %s takes nothing from those who stay",
  { timeout: 40_000 },
  async (at) => {
    const stage = startSources();
    const stayer = new Leaver(undefined);
    const leavers = [new Leaver(at), new Leaver(at)];
    leavers[0]?.follow(stage.sources);
    stayer.follow(stage.sources);
    leavers[1]?.follow(stage.sources);
    await everything(stage, () => false);
    stage.state.fails = false;
    stage.state.entries = entries("three", 40);
    await eventually("all steps of the last history", () => {
      const last = stayer.told.lastIndexOf("onReset");
      return stayer.told.slice(last).filter((what) => what === "onStep").length === 40;
    });
    for (const { told } of leavers) expect(told.at(-1)).toBe(at);
    stayer.leave();
    expect(stage.sources.moved("op")).toBe(false);
  },
);
