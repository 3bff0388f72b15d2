/** A worker in its own process, with one orchestration that makes a long history. */
import {
  NoOpLogger,
  type OrchestrationContext,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";
import { Child, obey } from "./child.ts";

/** `waves` times `width` activities in parallel. */
export interface Waves {
  readonly waves: number;
  readonly width: number;
}

/** The bench's handle on that process. */
export class StepsWorker {
  readonly child: Child;

  static async start(core: number, schedulerAddress: string): Promise<StepsWorker> {
    const child = Child.start("support/steps-worker.ts", { core });
    await child.ask("work", schedulerAddress);
    return new StepsWorker(child);
  }

  private constructor(child: Child) {
    this.child = child;
  }

  /** Starts an orchestration under that id. */
  begin = (id: string, waves: Waves) => this.child.ask<void>("begin", { id, waves });
  /** Waits for its end. */
  ended = (id: string) => this.child.ask<void>("ended", id);
  stop = () => this.child.stop();
}

type Steps = AsyncGenerator<unknown, unknown, unknown>;

let client: TaskHubGrpcClient;

async function work(hostAddress: string): Promise<void> {
  const worker = new TaskHubGrpcWorker({ hostAddress, logger: new NoOpLogger() });
  worker.addNamedActivity("increment", (_, n: number) => n + 1);
  worker.addNamedOrchestrator(
    "waves",
    async function* (ctx: OrchestrationContext, { waves, width }: Waves): Steps {
      for (let wave = 0; wave < waves; wave += 1) {
        const tasks = Array.from({ length: width }, (_, n) => ctx.callActivity("increment", n));
        yield whenAll(tasks);
        ctx.setCustomStatus({ wave: wave + 1, waves });
      }
      return waves * width;
    },
  );
  await worker.start();
  client = new TaskHubGrpcClient({ hostAddress, logger: new NoOpLogger() });
}

if (process.argv[1] === import.meta.filename) {
  obey({
    work,
    begin: async ({ id, waves }: { id: string; waves: Waves }) => {
      await client.scheduleNewOrchestration("waves", waves, id);
    },
    ended: async (id: string) => {
      await client.waitForOrchestrationCompletion(id, false, 600);
    },
  });
}
