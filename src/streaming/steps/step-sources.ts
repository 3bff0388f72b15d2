import type { Metrics } from "../metrics.ts";
import type { ReadBudget } from "../reading/read-budget.ts";
import type { StepFollower } from "./step-follower.ts";
import { type HistoryReader, StepSource } from "./step-source.ts";

/** One follower's connection to its source. */
export interface FollowedSteps {
  /** The follower may have become ready. */
  nudge(): void;
  /** The follower waits for a read that begins from now on. */
  hurry(): void;
  leave(): void;
}

/** One source for each operation whose steps are followed in this process. */
export class StepSources {
  readonly #sources = new Map<string, StepSource>();
  readonly #histories: HistoryReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;

  constructor(histories: HistoryReader, budget: ReadBudget, metrics: Metrics) {
    this.#histories = histories;
    this.#budget = budget;
    this.#metrics = metrics;
  }

  /** Sends `follower` the steps of operation `id`, until it leaves. */
  follow(id: string, follower: StepFollower): FollowedSteps {
    const source = this.#sources.get(id) ?? this.#open(id);
    source.add(follower);
    return {
      nudge: () => source.nudge(),
      hurry: () => source.hurry(),
      leave: () => {
        source.remove(follower);
        if (source.size > 0) return;
        source.close();
        if (this.#sources.get(id) === source) this.#sources.delete(id);
      },
    };
  }

  /** The cursor of an operation has moved. @returns whether its steps are followed */
  moved(id: string): boolean {
    const source = this.#sources.get(id);
    source?.moved();
    return source !== undefined;
  }

  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  #open(id: string): StepSource {
    const source = new StepSource(id, this.#histories, this.#budget, this.#metrics);
    this.#sources.set(id, source);
    return source;
  }
}
