/** A worker in its own process, with the orchestrations of the benches. */
import {
  NoOpLogger,
  type OrchestrationContext,
  TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";
import { hintInterceptor } from "../../src/dts/hints/hint-interceptor.ts";
import { HintSender } from "../../src/dts/hints/hint-sender.ts";
import { Child, obey } from "./child.ts";

/** Input of `waves`: so many times `width` activities in parallel. */
export interface Waves {
  readonly waves: number;
  readonly width: number;
}

/** The bench's handle on that process. */
export class Worker {
  readonly child: Child;

  /**
   * @param core see `Child`
   * @param hintUrl where it sends hints; default: nowhere
   */
  static async start(schedulerAddress: string, core?: number, hintUrl?: string): Promise<Worker> {
    const child = Child.start("support/worker.ts", core === undefined ? {} : { core });
    await child.ask("work", { hostAddress: schedulerAddress, hintUrl });
    return new Worker(child);
  }

  private constructor(child: Child) {
    this.child = child;
  }

  stop = () => this.child.stop();
}

type Steps = AsyncGenerator<unknown, unknown, unknown>;

const ORCHESTRATORS = {
  async *chain(ctx: OrchestrationContext, steps: number): Steps {
    let n = 0;
    while (n < steps) n = (yield ctx.callActivity("increment", n)) as number;
    return n;
  },
  async *"fan-out"(ctx: OrchestrationContext, width: number): Steps {
    return ((yield whenAll(activities(ctx, width))) as unknown[]).length;
  },
  /** A step a second. */
  async *ticks(ctx: OrchestrationContext, steps: number): Steps {
    for (let step = 1; step <= steps; step += 1) {
      yield ctx.createTimer(1);
      ctx.setCustomStatus({ step, steps });
    }
    return steps;
  },
  async *wait(ctx: OrchestrationContext): Steps {
    return yield ctx.waitForExternalEvent("go");
  },
  async *waves(ctx: OrchestrationContext, { waves, width }: Waves): Steps {
    for (let wave = 0; wave < waves; wave += 1) {
      yield whenAll(activities(ctx, width));
      ctx.setCustomStatus({ wave: wave + 1, waves });
    }
    return waves * width;
  },
};

function activities(ctx: OrchestrationContext, count: number) {
  return Array.from({ length: count }, (_, n) => ctx.callActivity("increment", n));
}

interface Work {
  readonly hostAddress: string;
  readonly hintUrl?: string;
}

async function work({ hostAddress, hintUrl }: Work): Promise<void> {
  const sender = hintUrl === undefined ? undefined : new HintSender({ url: hintUrl });
  const interceptors = sender ? [hintInterceptor((id) => sender.hint(id))] : [];
  const options = { interceptors };
  const worker = new TaskHubGrpcWorker({ hostAddress, logger: new NoOpLogger(), options });
  worker.addNamedActivity("increment", (_, n: number) => n + 1);
  for (const [name, orchestrator] of Object.entries(ORCHESTRATORS)) {
    worker.addNamedOrchestrator(name, orchestrator);
  }
  await worker.start();
}

if (process.argv[1] === import.meta.filename) obey({ work });
