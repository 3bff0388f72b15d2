/** A server that is not of Node: started on a core, measured from outside by its pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { killAtExit, onCore } from "../support/child.ts";
import { pause } from "../support/report.ts";
import type { PeerUsage } from "./peer.ts";

const READY_WITHIN_MS = 60_000;
const PAGE_BYTES = 4096;

export class Program {
  readonly #process: ChildProcess;
  readonly port: number;
  #stderr = "";

  /** Starts it and waits until it takes connections. @throws Error with what it printed, if it ends */
  static async start(command: readonly string[], port: number, core = 0): Promise<Program> {
    const [file = "", ...args] = onCore(core, command);
    const program = new Program(spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] }), port);
    const endMs = performance.now() + READY_WITHIN_MS;
    while (!(await takesConnections(port))) {
      if (program.#hasEnded || performance.now() > endMs) {
        throw new Error(`${command.join(" ")} did not start:\n${program.#stderr}`);
      }
      await pause(20);
    }
    return program;
  }

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
    killAtExit(child);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Of its first thread, which is its only one that works. */
  async usage(): Promise<PeerUsage> {
    const [schedule, memory] = await Promise.all([
      readFile(`/proc/${this.#process.pid}/schedstat`, "utf8"),
      readFile(`/proc/${this.#process.pid}/statm`, "utf8"),
    ]);
    const [onCpuNs] = schedule.split(" ");
    const [, residentPages] = memory.split(" ");
    return { cpuMs: Number(onCpuNs) / 1e6, rssBytes: Number(residentPages) * PAGE_BYTES };
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
