import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./deadline.ts";
import { installDebianPackage } from "./debian.ts";
import { freePort } from "./free-port.ts";

const HAPROXY = "/usr/sbin/haproxy";

/**
 * Runs Debian's HAProxy until the test ends: it balances over `servers`, and probes `/readyz` of each
 * with its default timing (every 2 s; three failures take a server out).
 */
export async function startHaproxy(servers: readonly URL[]): Promise<URL> {
  installDebianPackage("haproxy", HAPROXY);
  const folder = mkdtempSync(join(tmpdir(), "haproxy-"));
  const port = await freePort();
  const config = join(folder, "haproxy.cfg");
  writeFileSync(
    config,
    `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen api
  bind 127.0.0.1:${port}
  balance roundrobin
  option httpchk GET /readyz
${servers.map(({ host }, index) => `  server s${index} ${host} check`).join("\n")}
`,
  );
  const child = spawn(HAPROXY, ["-f", config, "-db"], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true });
  });
  const url = new URL(`http://127.0.0.1:${port}`);
  await eventually("HAProxy to answer", async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}`);
    return fetch(new URL("/healthz", url)).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return url;
}
