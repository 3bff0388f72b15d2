/** Starts the benchmark's scheduler or worker in a process of its own. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  NoOpLogger,
  type OrchestrationContext,
  TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";
import { startScheduler } from "../src/scheduler/scheduler.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

/** A process of the benchmark that reports its CPU time. */
export interface BenchProcess {
  readonly address: string;
  /** Milliseconds of CPU so far. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
}

/** @param argument for a scheduler its database, for a worker the scheduler's address */
export async function startProcess(
  role: "scheduler" | "worker",
  argument: string,
): Promise<BenchProcess> {
  const child = fork(import.meta.filename, [role, argument]);
  const address = (await message(child)) as string;
  return {
    address,
    async cpuMs() {
      child.send("cpu");
      return (await message(child)) as number;
    },
    async stop() {
      child.send("stop");
      await once(child, "exit");
    },
  };
}

async function message(child: ChildProcess): Promise<unknown> {
  const died = new AbortController();
  const onExit = () => died.abort();
  child.once("exit", onExit);
  try {
    const [value] = await once(child, "message", { signal: died.signal });
    return value;
  } finally {
    child.off("exit", onExit);
  }
}

const silent = { debug() {}, info() {}, warn: console.warn, error: console.error };

async function beScheduler(database: string): Promise<string> {
  const running = await startScheduler({ port: 0, database, logger: silent });
  onStop(() => running.close());
  return running.address;
}

async function beWorker(hostAddress: string): Promise<string> {
  const worker = new TaskHubGrpcWorker({ hostAddress, logger: new NoOpLogger() });
  worker.addNamedActivity("increment", (_, n: number) => n + 1);
  worker.addNamedOrchestrator(
    "chain",
    async function* (ctx: OrchestrationContext, steps: number): Steps {
      let n = 0;
      while (n < steps) n = (yield ctx.callActivity("increment", n)) as number;
      return n;
    },
  );
  worker.addNamedOrchestrator(
    "fan-out",
    async function* (ctx: OrchestrationContext, width: number): Steps {
      const tasks = Array.from({ length: width }, (_, n) => ctx.callActivity("increment", n));
      return ((yield whenAll(tasks)) as unknown[]).length;
    },
  );
  worker.addNamedOrchestrator("wait", async function* (ctx: OrchestrationContext): Steps {
    return yield ctx.waitForExternalEvent("go");
  });
  await worker.start();
  onStop(async () => process.exit());
  return hostAddress;
}

function onStop(stop: () => Promise<void>): void {
  process.on("message", (request) => {
    if (request === "cpu") {
      const { user, system } = process.cpuUsage();
      process.send?.((user + system) / 1000);
    } else {
      void stop().finally(() => process.disconnect());
    }
  });
}

if (process.argv[1] === import.meta.filename) {
  const [role, argument = ""] = process.argv.slice(2);
  process.send?.(await (role === "worker" ? beWorker(argument) : beScheduler(argument)));
}
