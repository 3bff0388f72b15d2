import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, within } from "./deadline.ts";
import { onEnd } from "./lifetime.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

const NO_WARNING = "--disable-warning=ExperimentalWarning";

export interface ProcessOptions {
  readonly folder?: string;
  /** A command that starts the command after it, such as `bash -c 'ulimit …; exec "$0" "$@"'`. */
  readonly prefix?: readonly string[];
  /** Default `pipe`, which `printed` and `stdout` need. */
  readonly stdout?: "pipe" | number;
}

/** How a process came to its end: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** `dts-push` in a process of its own, which ends with the test, however that ends. */
export class AppProcess {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #exited = Promise.withResolvers<Exit>();

  /** @param env all that it finds in its environment; ports are picked by the system unless named */
  static start(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    { folder = tmpdir(), prefix = [], stdout = "pipe" }: ProcessOptions = {},
  ): AppProcess {
    const defaults = {
      PORT: "0",
      SCHEDULER_PORT: "0",
      SCHEDULER_DB: ":memory:",
      DRAIN_DELAY_MS: "0",
      MAX_EVENT_LOOP_DELAY_MS: "0", // Other tests may keep the machine busy.
    };
    const [command, ...rest] = [...prefix, process.execPath, NO_WARNING, MAIN, ...args];
    const child = spawn(command as string, rest, {
      cwd: folder,
      env: { ...defaults, ...compileCache(), ...env },
      stdio: ["ignore", stdout, "pipe"],
    });
    const started = new AppProcess(child);
    onEnd(async () => {
      await started.kill("SIGKILL");
    });
    return started;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    child.once("close", (code, signal) => this.#exited.resolve({ code, signal }));
  }

  /** Waits until what it printed matches, and returns the match. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const what = `${pattern} from the process`;
    return eventually(what, () => pattern.exec(this.stdout) ?? undefined);
  }

  /** The API's address, once it listens. */
  async url(): Promise<URL> {
    const [, url = ""] = await this.printed(/(?:open|listens on) (http:\S+)\/ /);
    return new URL(url.replace("localhost", "127.0.0.1"));
  }

  /** The scheduler's `host:port`, once it listens. */
  async schedulerAddress(): Promise<string> {
    const [, address = ""] = await this.printed(/"address":"([^"]+)".*scheduler listens/);
    return address;
  }

  /** Reads no more of what it prints; the pipe stays open. */
  pauseStdout(): void {
    this.#child.stdout?.pause();
  }

  resumeStdout(): void {
    this.#child.stdout?.resume();
  }

  /** How it ended, once it has, and once all that it printed was read. */
  exited(ms?: number): Promise<Exit> {
    return within("the process to end", this.#exited.promise, ms);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends it a signal and waits for its end. */
  async kill(signal: NodeJS.Signals, ms?: number): Promise<Exit> {
    this.#child.kill(signal);
    return this.exited(ms);
  }
}

/** See vitest.config.ts. */
function compileCache(): { NODE_COMPILE_CACHE?: string } {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dts-push-"));
  // What was killed may write its last file meanwhile.
  onEnd(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}
