import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./deadline.ts";

const NGINX = "/usr/sbin/nginx";
const INSTALL = "apt-get update && apt-get install -y --no-install-recommends nginx-light";
const TEMP_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** What goes into the `http` block and into its one `server`, beside what every run needs. */
export interface NginxConfig {
  readonly http?: string;
  readonly server: string;
}

/** Runs Debian's nginx on a port and in a folder of its own, until the test ends. */
export async function startNginx({ http = "", server }: NginxConfig): Promise<URL> {
  installNginx();
  const folder = mkdtempSync(join(tmpdir(), "nginx-"));
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  const log = join(folder, "error.log");
  writeFileSync(
    config,
    `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${log} warn;
events {}
http {
  access_log off;
${TEMP_PATHS.map((name) => `  ${name}_temp_path ${folder}/${name};`).join("\n")}
${http}
  server {
    listen 127.0.0.1:${port};
${server}
  }
}
`,
  );
  const child = spawn(NGINX, ["-c", config, "-p", folder, "-e", log], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true });
  });
  const url = new URL(`http://127.0.0.1:${port}`);
  await eventually("nginx to answer", async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended:\n${readFileSync(log, "utf8")}`);
    return fetch(url).then(
      (response) => response.body?.cancel().then(() => true),
      () => false,
    );
  });
  return url;
}

/** Installs it where it is missing and we may; elsewhere says how. */
function installNginx(): void {
  if (existsSync(NGINX)) return;
  if (process.getuid?.() !== 0) throw new Error(`This test needs nginx: sudo sh -c '${INSTALL}'`);
  execFileSync("sh", ["-c", INSTALL], {
    stdio: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No port");
  return address.port;
}
