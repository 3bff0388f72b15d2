/** A process of a bench: asked over IPC, pinned to a core where that can be done, ended by its pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import type { Usage } from "./probe.ts";

export interface ChildOptions {
  /** The core that it may use; where there is only one, or no `taskset`, it is not pinned. */
  readonly core?: number;
  readonly args?: readonly string[];
  /** Added to an environment that has nothing but the path. */
  readonly env?: Readonly<Record<string, string>>;
}

const PROBE = fileURLToPath(new URL("./probe.ts", import.meta.url));
const TASKSET = "/usr/bin/taskset";
/** Whether processes are pinned to cores, so that load and server do not share one. */
export const PINNED = existsSync(TASKSET) && cpus().length > 1;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
/** Has `child` killed when this process ends. */
export function killAtExit(child: ChildProcess): void {
  running.add(child);
  child.once("exit", () => running.delete(child));
}

/** The command that runs `command` on this core, where processes can be pinned. */
export function onCore(core: number | undefined, command: readonly string[]): readonly string[] {
  return PINNED && core !== undefined ? [TASKSET, "-c", String(core), ...command] : command;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #stdout = "";
  #lastId = 0;
  #stopping = false;

  /** @param module the program, relative to the bench folder */
  static start(module: string, { core, args = [], env = {} }: ChildOptions = {}): Child {
    const file = fileURLToPath(new URL(`../${module}`, import.meta.url));
    const node = ["--disable-warning=ExperimentalWarning", "--expose-gc", "--import", PROBE, file];
    const command = [process.execPath, ...node, ...args];
    const [program = "", ...rest] = onCore(core, command);
    return new Child(
      spawn(program, rest, {
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      }),
    );
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    killAtExit(child);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    child.on("message", ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    child.once("exit", (code, signal) => {
      if (this.#stopping) return;
      console.error(`A process of the bench ended early: ${signal ?? code}\n${this.#stdout}`);
      process.exit(1);
    });
  }

  /** Has it do something, and waits for the result. */
  ask<T>(command: string, argument?: unknown): Promise<T> {
    this.#lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, waiting);
    this.#process.send({ id: this.#lastId, command, argument });
    return waiting.promise as Promise<T>;
  }

  usage(): Promise<Usage> {
    return this.ask("probe:usage");
  }

  collectGarbage(): Promise<boolean> {
    return this.ask("probe:gc");
  }

  /** Waits until what it printed matches. */
  async printed(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#stdout)?.[1];
      if (found !== undefined) return found;
      await once(this.#process.stdout as NonNullable<ChildProcess["stdout"]>, "data");
    }
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#stopping = true;
    const ended = once(this.#process, "exit");
    this.#process.kill(signal);
    await ended;
  }
}

/** In a child: answers each command by the method of that name. */
export function obey(methods: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("message", async ({ id, command, argument }: Command) => {
    const method = methods[command];
    if (!method) return;
    try {
      process.send?.({ id, result: await method(argument as never) });
    } catch (error) {
      process.send?.({ id, error: String((error as Error).stack) });
    }
  });
}

interface Command {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
