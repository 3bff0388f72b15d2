import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "../../helpers/proxies/program.ts";

function varnishWith(name: string, vcl: string): ProxyProgram {
  return {
    name,
    debian: { name: "varnish", program: "/usr/sbin/varnishd" },
    configure(folder, port, [api]) {
      chmodSync(folder, 0o777);
      const config = join(folder, "varnish.vcl");
      const backend = `backend default { .host = "${api.hostname}"; .port = "${api.port}"; }`;
      writeFileSync(config, `vcl 4.1;\n${backend}\n${vcl}`);
      const at = ["-F", "-a", `127.0.0.1:${port}`, "-n", join(folder, "varnish")];
      return [...at, "-f", config, "-s", "malloc,32m", "-j", "none"];
    },
  };
}

/** Without rules of ours: it removes `If-None-Match`, and does not pass the upgrade to WebSocket. */
export const plainVarnish = varnishWith("Varnish with its built-in rules", "");

export const varnish = varnishWith(
  "Varnish",
  `sub vcl_recv {
  if (req.http.upgrade ~ "(?i)websocket") { return (pipe); }
  return (pass);
}
sub vcl_pipe {
  set bereq.http.upgrade = req.http.upgrade;
  set bereq.http.connection = req.http.connection;
}
`,
);
