import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "../../helpers/proxies/program.ts";

export const caddy: ProxyProgram = {
  name: "Caddy",
  debian: { name: "caddy", program: "/usr/bin/caddy" },
  configure(folder, port, [api]) {
    const config = join(folder, "Caddyfile");
    writeFileSync(
      config,
      `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  encode gzip
  reverse_proxy ${api.host}
}
`,
    );
    return ["run", "--config", config, "--adapter", "caddyfile"];
  },
};
