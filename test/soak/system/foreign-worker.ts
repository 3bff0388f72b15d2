/** A worker that knows nothing of this project: `foreign-worker.ts <host:port of the scheduler>`. */
import {
  NoOpLogger,
  type OrchestrationContext,
  TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";

/** Input of `soak_order`. */
export interface Order {
  /** Times two activities in parallel. */
  readonly rounds: number;
  /** How long an activity takes, in milliseconds. */
  readonly pauseMs: number;
}

/** What it returns: the sum of what its activities returned. */
export const totalOf = ({ rounds }: Order): number => rounds * (rounds + 1);

type Steps = AsyncGenerator<unknown, unknown, unknown>;

async function* soakOrder(context: OrchestrationContext, { rounds, pauseMs }: Order): Steps {
  let total = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const part = { amount: round, pauseMs };
    const parts = yield whenAll([
      context.callActivity("soak_part", part),
      context.callActivity("soak_part", part),
    ]);
    total = (parts as number[]).reduce((sum, each) => sum + each, total);
    context.setCustomStatus({ step: round, steps: rounds });
  }
  return { id: context.instanceId, total };
}

async function soakPart(_: unknown, { amount, pauseMs }: { amount: number; pauseMs: number }) {
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  return amount;
}

if (process.argv[1] === import.meta.filename) {
  const hostAddress = process.argv[2] ?? "localhost:8080";
  const worker = new TaskHubGrpcWorker({
    hostAddress,
    logger: new NoOpLogger(),
    workItemFilters: "auto",
    shutdownTimeoutMs: 1000,
  });
  worker.addNamedOrchestrator("soak_order", soakOrder as never);
  worker.addNamedActivity("soak_part", soakPart as never);
  await worker.start();
  process.once("SIGTERM", () => void worker.stop().finally(() => process.exit(0)));
  console.log("working");
}
