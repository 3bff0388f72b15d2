import type { HistoryEntry } from "../../src/dts/history.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import { ReadBudget } from "../../src/streaming/reading/read-budget.ts";
import { StepSources } from "../../src/streaming/steps/step-sources.ts";

/** A history of `count` entries, the first of which starts the execution. */
export function entries(executionId: string, count: number): HistoryEntry[] {
  const blank = {
    eventId: -1,
    name: undefined,
    completes: undefined,
    executionId: undefined,
    childId: undefined,
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

/** The sources of a process, over a history that a test can change. */
export function startSources() {
  const state = { entries: entries("one", 5), reads: 0, openReads: 0, fails: false };
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
