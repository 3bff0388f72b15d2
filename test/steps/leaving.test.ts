import { expect, test } from "vitest";
import { START } from "../../src/streaming/steps/position.ts";
import { StepFollower, type StepSubscriber } from "../../src/streaming/steps/step-follower.ts";
import type { FollowedSteps, StepSources } from "../../src/streaming/steps/step-sources.ts";
import { eventually } from "../helpers/deadline.ts";
import { entries, startSources } from "./sources.ts";

const CALLS = ["onStep", "onReset", "onPresent", "onStepError"] as const;
type Call = (typeof CALLS)[number];

/** Time for what takes some seconds of rests between reads. */
const DEADLINE_MS = 60_000;

/** A subscriber that leaves inside of the first call of one kind. */
class Leaver implements StepSubscriber {
  readonly calls: Call[] = [];
  ready = true;
  #followed: FollowedSteps | undefined;
  readonly #at: Call | undefined;

  constructor(at: Call | undefined) {
    this.#at = at;
  }

  follow(sources: StepSources, id = "op"): void {
    this.#followed = sources.follow(id, new StepFollower(this, START));
  }

  leave(): void {
    this.#followed?.leave();
  }

  expects(): boolean {
    return true;
  }
  onStep(): void {
    this.#note("onStep");
  }
  onReset(): void {
    this.#note("onReset");
  }
  onPresent(): void {
    this.#note("onPresent");
  }
  onStepError(): void {
    this.#note("onStepError");
  }

  #note(call: Call): void {
    this.calls.push(call);
    if (call === this.#at) this.leave();
  }
}

/**
 * Causes every kind of call: steps, a reset by another and by a shorter history, an error. Each change
 * is made when `witness` has had the call that follows from the one before, until it has left.
 */
async function causeEveryCall(
  { state, sources }: ReturnType<typeof startSources>,
  witness: Leaver,
  hasLeft: () => boolean,
): Promise<void> {
  const changes: readonly (readonly [Call, Partial<typeof state>])[] = [
    ["onPresent", {}],
    ["onStep", { entries: entries("one", 8) }],
    ["onReset", { entries: entries("two", 3) }],
    ["onReset", { entries: entries("two", 2) }],
    ["onStepError", { fails: true }],
  ];
  for (const [call, change] of changes) {
    if (hasLeft()) return;
    const { length } = witness.calls;
    Object.assign(state, change);
    sources.moved("op");
    const hasCome = () => hasLeft() || witness.calls.indexOf(call, length) >= 0;
    await eventually(call, hasCome, DEADLINE_MS);
  }
}

test.concurrent.for(CALLS)(
  "after a subscriber leaves inside %s it gets no call, and nothing is read (STEPS-7)",
  { timeout: 4 * DEADLINE_MS },
  async (at) => {
    const stage = startSources();
    const leaver = new Leaver(at);
    leaver.follow(stage.sources);
    await causeEveryCall(stage, leaver, () => leaver.calls.includes(at));
    expect(leaver.calls.filter((call) => call === at)).toHaveLength(1);
    expect(leaver.calls.at(-1)).toBe(at);
    await eventually("the open read to end", () => stage.state.openReads === 0, DEADLINE_MS);
    expect(stage.sources.moved("op")).toBe(false);

    const { reads } = stage.state;
    stage.state.fails = false;
    const other = new Leaver("onPresent");
    other.follow(stage.sources, "other");
    const isPresent = () => other.calls.includes("onPresent");
    await eventually("another operation's history to be read", isPresent, DEADLINE_MS);
    expect(stage.state.reads).toBe(reads + 1);
    expect(leaver.calls.at(-1)).toBe(at);
  },
);

test.concurrent.for(CALLS)(
  "a subscriber that leaves inside %s takes no step from the others (STEPS-1)",
  { timeout: 6 * DEADLINE_MS },
  async (at) => {
    const stage = startSources();
    const stayer = new Leaver(undefined);
    const leavers = [new Leaver(at), new Leaver(at)];
    leavers[0]?.follow(stage.sources);
    stayer.follow(stage.sources);
    leavers[1]?.follow(stage.sources);
    await causeEveryCall(stage, stayer, () => false);
    stage.state.fails = false;
    stage.state.entries = entries("three", 40);
    const stepsOfTheLast = () =>
      stayer.calls.slice(stayer.calls.lastIndexOf("onReset")).filter((call) => call === "onStep");
    await eventually("40 steps", () => stepsOfTheLast().length === 40, DEADLINE_MS);
    for (const { calls } of leavers) expect(calls.at(-1)).toBe(at);
    stayer.leave();
    expect(stage.sources.moved("op")).toBe(false);
  },
);
