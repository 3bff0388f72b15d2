/** Proxies, each configured as docs/PROXIES.md has it. */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "./program.ts";

const APACHE_MODULES = "/usr/lib/apache2/modules";

function apacheWith(name: string, directives: (origin: string) => string): ProxyProgram {
  return {
    name,
    debian: { name: "apache2", program: "/usr/sbin/apache2" },
    configure(folder, port, api) {
      const modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate"];
      const config = join(folder, "apache.conf");
      writeFileSync(
        config,
        `ServerRoot ${folder}
PidFile ${folder}/apache.pid
Listen 127.0.0.1:${port}
ServerName localhost
ErrorLog ${folder}/error.log
${modules.map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`).join("\n")}
SetOutputFilter DEFLATE
${directives(api.origin)}
`,
      );
      return ["-f", config, "-DFOREGROUND"];
    },
  };
}

/** Only what every use has. It decodes an encoded slash, and refuses it. */
export const plainApache = apacheWith(
  "Apache with one ProxyPass",
  (origin) => `ProxyPass / ${origin}/`,
);

export const apache = apacheWith(
  "Apache",
  (origin) => `ProxyPass /api/ws ${origin}/api/ws upgrade=websocket
ProxyPass / ${origin}/ nocanon
AllowEncodedSlashes NoDecode
ProxyPreserveHost On`,
);

function varnishWith(name: string, vcl: string): ProxyProgram {
  return {
    name,
    debian: { name: "varnish", program: "/usr/sbin/varnishd" },
    configure(folder, port, api) {
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

export const haproxy: ProxyProgram = {
  name: "HAProxy",
  debian: { name: "haproxy", program: "/usr/sbin/haproxy" },
  configure(folder, port, api) {
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
  option httpchk GET /readyz
  server one ${api.host} check
`,
    );
    return ["-f", config, "-db"];
  },
};

export const caddy: ProxyProgram = {
  name: "Caddy",
  debian: { name: "caddy", program: "/usr/bin/caddy" },
  configure(folder, port, api) {
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
