import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "./program.ts";

/**
 * It balances over the servers, and probes `/readyz` of each with its default timing: every 2 s, and three
 * failures take a server out.
 */
export const haproxy: ProxyProgram = {
  name: "HAProxy",
  debian: { name: "haproxy", program: "/usr/sbin/haproxy" },
  configure(folder, port, servers) {
    const config = join(folder, "haproxy.cfg");
    writeFileSync(
      config,
      `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  compression algo gzip
  compression type text/event-stream application/json
listen api
  bind 127.0.0.1:${port}
  balance roundrobin
  option httpchk GET /readyz
${servers.map(({ host }, index) => `  server s${index} ${host} check`).join("\n")}
`,
    );
    return ["-f", config, "-db"];
  },
};
