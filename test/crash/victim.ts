/** A scheduler or a worker in a process that can be killed at any moment. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { flushCompileCache } from "node:module";
import { connect } from "node:net";
import { NoOpLogger, TaskHubGrpcWorker } from "@microsoft/durabletask-js";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { register } from "./workloads.ts";

export type Role = "scheduler" | "worker";

export class Victim {
  readonly #role: Role;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  /** @param args of a scheduler: port and database; of a worker: the scheduler's address */
  constructor(role: Role, ...args: string[]) {
    this.#role = role;
    this.#args = args;
  }

  async start(): Promise<void> {
    const child = fork(import.meta.filename, [this.#role, ...this.#args]);
    this.#child = child;
    const failed = new AbortController();
    const onExit = () => failed.abort(new Error(`the ${this.#role} ended before it was ready`));
    child.once("exit", onExit);
    await once(child, "message", { signal: failed.signal });
    child.off("exit", onExit);
  }

  /** Kills the process with SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Shuts the process down. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.send("stop");
    await ended;
  }
}

async function beScheduler(port: string, database: string): Promise<() => Promise<void>> {
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
  const running = await startScheduler({ port: Number(port), database, logger });
  return () => running.close();
}

async function beWorker(hostAddress: string): Promise<() => Promise<void>> {
  await listening(hostAddress); // the SDK's worker gives up when its first call fails
  const worker = new TaskHubGrpcWorker({ hostAddress, logger: new NoOpLogger() });
  register(worker);
  await worker.start();
  return async () => process.exit();
}

async function listening(address: string): Promise<void> {
  const [host, port] = address.split(":");
  for (;;) {
    const socket = connect(Number(port), host);
    const [open] = await Promise.race([
      once(socket, "connect").then(() => [true]),
      once(socket, "error").then(() => [false]),
    ]).catch(() => [false]);
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

if (process.argv[1] === import.meta.filename) {
  const [role, ...args] = process.argv.slice(2);
  const [first = "", second = ""] = args;
  const stop = role === "scheduler" ? await beScheduler(first, second) : await beWorker(first);
  process.on("message", () => void stop().finally(() => process.disconnect()));
  process.on("disconnect", () => process.exit()); // the parent process has ended
  flushCompileCache(); // a process that is killed does not write it
  process.send?.("ready");
}
