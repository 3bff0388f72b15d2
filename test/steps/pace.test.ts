import { expect, onTestFinished, test } from "vitest";
import { START } from "../../src/streaming/steps/position.ts";
import type { Step } from "../../src/streaming/steps/step.ts";
import { StepFollower, type StepSubscriber } from "../../src/streaming/steps/step-follower.ts";
import type { StepSources } from "../../src/streaming/steps/step-sources.ts";
import { eventually } from "../helpers/deadline.ts";
import { entries, startSources } from "./sources.ts";

/** Takes all steps, or, with `restMs`, one at a time with a rest after each. */
class Taker implements StepSubscriber {
  ready = true;
  readonly seqs: number[] = [];
  readonly #restMs: number;
  #nudge: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(sources: StepSources, restMs = 0) {
    this.#restMs = restMs;
    const followed = sources.follow("op", new StepFollower(this, START));
    this.#nudge = () => followed.nudge();
    onTestFinished(() => {
      clearTimeout(this.#timer);
      followed.leave();
    });
  }

  expects = () => true;
  onReset = () => {};
  onPresent = () => {};
  onStepError = () => {};

  onStep({ position }: Step): void {
    this.seqs.push(position.seq);
    if (this.#restMs === 0) return;
    this.ready = false;
    this.#timer = setTimeout(() => {
      this.ready = true;
      this.#nudge();
    }, this.#restMs);
  }
}

test("a new subscriber does not wait for a slow one that is catching up (STEPS-6)", async () => {
  const LENGTH = 400;
  const { state, sources } = startSources();
  state.entries = entries("one", LENGTH);
  const slow = new Taker(sources, 20);
  await eventually("its first steps", () => slow.seqs.length >= 3);
  const quick = new Taker(sources);
  await eventually("all steps of the new one", () => quick.seqs.length === LENGTH, 60_000);
  expect(slow.seqs.length).toBeLessThan(LENGTH / 2);
  await eventually("all steps of the slow one", () => slow.seqs.length === LENGTH, 120_000);
  for (const { seqs } of [slow, quick]) expect(seqs).toEqual(state.entries.map((_, at) => at + 1));
});
