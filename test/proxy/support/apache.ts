import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProxyProgram } from "../../helpers/proxies/program.ts";

const APACHE_MODULES = "/usr/lib/apache2/modules";

function apacheWith(name: string, directives: (origin: string) => string): ProxyProgram {
  return {
    name,
    debian: { name: "apache2", program: "/usr/sbin/apache2" },
    configure(folder, port, [api]) {
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
