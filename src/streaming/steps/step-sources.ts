import type { Metrics } from "../metrics.ts";
import type { ReadBudget } from "../read-budget.ts";
import type { StepFollower } from "./step-follower.ts";
import { type HistoryReader, StepSource } from "./step-source.ts";

/** A follower's tie to the steps it follows. */
export interface FollowedSteps {
  /** It may have become ready. */
  nudge(): void;
  /** It waits for a read that begins from now on, and for nothing after it. */
  hurry(): void;
  leave(): void;
}

/** The histories that are followed in this process: one source an operation, while anyone follows. */
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

  /** The cursor of an operation has moved. @returns whether anyone follows its steps */
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
