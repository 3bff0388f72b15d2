import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "./program.ts";

const TEMP_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** What goes into the `http` block and into its one `server`, beside what every run needs. */
export interface NginxConfig {
  readonly http?: string;
  readonly server: (api: URL) => string;
}

export function nginxWith(name: string, { http = "", server }: NginxConfig): ProxyProgram {
  return {
    name,
    debian: { name: "nginx-light", program: "/usr/sbin/nginx" },
    configure(folder, port, [api]) {
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
${TEMP_PATHS.map((path) => `  ${path}_temp_path ${folder}/${path};`).join("\n")}
${http}
  server {
    listen 127.0.0.1:${port};
${server(api)}
  }
}
`,
      );
      return ["-c", config, "-p", folder, "-e", log];
    },
  };
}
