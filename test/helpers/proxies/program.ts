import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../deadline.ts";
import { installDebianPackage } from "../debian.ts";
import { freePort } from "../free-port.ts";
import { onEnd } from "../lifetime.ts";

/** A proxy in front of the API. */
export interface ProxyProgram {
  readonly name: string;
  /** Debian's package, and the program that it holds. */
  readonly debian: { readonly name: string; readonly program: string };
  /** Writes its configuration into `folder` and returns its arguments. */
  configure(folder: string, port: number, servers: Servers): readonly string[];
}

/** Replicas of the API. Most proxies use the first only. */
type Servers = readonly [URL, ...URL[]];

/** Runs a proxy on a port and in a folder of its own, until the test ends. */
export async function startProxy(proxy: ProxyProgram, ...servers: Servers): Promise<URL> {
  const { debian, name } = proxy;
  installDebianPackage(debian.name, debian.program);
  const folder = mkdtempSync(join(tmpdir(), "proxy-"));
  const port = await freePort();
  const args = proxy.configure(folder, port, servers);
  const log = join(folder, "output.log");
  const output = openSync(log, "a");
  const child = spawn(debian.program, args, {
    stdio: ["ignore", output, output],
    env: { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    // A group of its own: some of them run as several processes.
    detached: true,
  });
  closeSync(output);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  onEnd(async () => {
    killGroup(child);
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  const url = new URL(`http://127.0.0.1:${port}`);
  await eventually(`${name} to answer`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended:\n${readFileSync(log, "utf8")}`);
    return fetch(new URL("/healthz", url)).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return url;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
