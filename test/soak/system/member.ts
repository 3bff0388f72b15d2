/** One program of the system under test, which can be killed, halted and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Usage } from "../../../bench/support/probe.ts";
import type { WallClock } from "./wall-clock.ts";

const PROBE = fileURLToPath(new URL("../../../bench/support/probe.ts", import.meta.url));
/** Of lines that a process has written. */
const MAX_LINES = 50;
const ANSWER_WITHIN_MS = 60_000;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface Program {
  readonly name: string;
  /** A file to be run by Node.js with arguments, or another program with its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** `undefined` where it cannot be set. */
  readonly clock?: WallClock | undefined;
  /** What it prints once it is ready. Default: it is ready at once. */
  readonly ready?: RegExp;
  /** Lines of its log that no fault explains. */
  readonly unexpected?: RegExp;
}

/** Starts a program as often as is wanted, and notes what it does that it should not. */
export class Member {
  readonly name: string;
  /** `undefined` where it cannot be set. */
  readonly clock: WallClock | undefined;
  /** What should not have happened: an end by itself, a line on stderr, an error in the log. */
  readonly problems: string[] = [];
  readonly #program: Program;
  #child: ChildProcess | undefined;
  #startedMs = 0;
  #printed = "";
  #askedIds = 0;

  constructor(program: Program) {
    this.#program = program;
    this.name = program.name;
    this.clock = program.clock;
  }

  /** Milliseconds since the last start. */
  get ageMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Starts it and waits until it is ready. A port that is in use for now is tried again. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const child = this.#spawn();
      const outcome = await this.#untilReady(child);
      if (outcome === "ready") return;
      if (attempt === 20) throw new Error(`${this.name} does not start:\n${this.#printed}`);
      await pause(250);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends it a signal and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined; // Whatever it does from now on is wanted.
    const ended = child.exitCode ?? child.signalCode;
    if (ended !== null) return;
    child.kill("SIGCONT");
    child.kill(signal);
    await once(child, "exit");
    if (signal === "SIGTERM" && child.exitCode !== 0) {
      this.#problem(`ended with ${child.exitCode ?? child.signalCode} after SIGTERM`);
    }
  }

  /** What it holds after a collection of garbage; `undefined` for a program that cannot say. */
  async settledUsage(): Promise<Usage | undefined> {
    if (!this.runsNode || !this.#child) return undefined;
    await this.#ask("probe:gc");
    return this.#ask("probe:usage") as Promise<Usage>;
  }

  get runsNode(): boolean {
    return this.#program.command[0].endsWith(".ts");
  }

  #spawn(): ChildProcess {
    const { command, env = {}, clock } = this.#program;
    const flags = ["--disable-warning=ExperimentalWarning", "--expose-gc", "--import", PROBE];
    const [program, ...args] = this.runsNode ? [process.execPath, ...flags, ...command] : command;
    const { NODE_COMPILE_CACHE, PATH } = process.env;
    const child = spawn(program as string, args, {
      env: { PATH, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), ...env, ...clock?.env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    this.#startedMs = performance.now();
    this.#printed = "";
    child.on("error", (error) => this.#problem(error.message));
    running.add(child);
    child.once("exit", (code, signal) => {
      running.delete(child);
      if (this.#child === child) this.#problem(`ended by itself: ${signal ?? code}`);
    });
    this.#readLines(child);
    return child;
  }

  #readLines(child: ChildProcess): void {
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (this.#printed.length < 100_000) this.#printed += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (this.#program.unexpected?.test(line)) this.#problem(line);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
      // HAProxy reports there what it finds of its servers.
      if (this.runsNode) this.#problem(`stderr: ${text}`);
    });
  }

  async #untilReady(child: ChildProcess): Promise<"ready" | "ended"> {
    const { ready } = this.#program;
    const problems = this.problems.length;
    while (ready && !ready.test(this.#printed)) {
      if (child.exitCode !== null || child.signalCode !== null) {
        this.problems.length = problems; // It is started again.
        return "ended";
      }
      await pause(20);
    }
    return "ready";
  }

  #ask(command: string): Promise<unknown> {
    const child = this.#child;
    this.#askedIds += 1;
    const id = this.#askedIds;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const take = (answer: { id: number; result: unknown }) => {
      if (answer.id === id) resolve(answer.result);
    };
    const late = setTimeout(
      () => reject(new Error(`${this.name} does not answer`)),
      ANSWER_WITHIN_MS,
    );
    child?.on("message", take);
    child?.send({ id, command });
    return promise.finally(() => {
      clearTimeout(late);
      child?.off("message", take);
    });
  }

  #problem(what: string): void {
    if (this.problems.length < MAX_LINES) this.problems.push(`${this.name}: ${what.trim()}`);
  }
}
