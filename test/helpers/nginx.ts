import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./deadline.ts";
import { installDebianPackage } from "./debian.ts";
import { freePort } from "./free-port.ts";

const NGINX = "/usr/sbin/nginx";
const TEMP_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** What goes into the `http` block and into its one `server`, beside what every run needs. */
export interface NginxConfig {
  readonly http?: string;
  readonly server: string;
}

/** Runs Debian's nginx on a port and in a folder of its own, until the test ends. */
export async function startNginx({ http = "", server }: NginxConfig): Promise<URL> {
  installDebianPackage("nginx-light", NGINX);
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
