import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import type { FastifyPluginAsync } from "fastify";

/** `.ts` in the repository, where nothing is built, and `.js` in the package. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const CLIENT = fileURLToPath(new URL("../../../client/", import.meta.url));
const CLIENT_PATH = "/client/";

/**
 * The modules of the client, for pages of this server: `import { createClient } from "/client/client.js"`.
 * They are read once; in the repository their types are removed then.
 */
export const clientModuleRoutes: FastifyPluginAsync = async (app) => {
  for (const name of readdirSync(CLIENT, { encoding: "utf8", recursive: true })) {
    if (!name.endsWith(EXTENSION) || name.endsWith(".d.ts")) continue;
    const source = readFileSync(CLIENT + name, "utf8");
    const script = EXTENSION === ".ts" ? toScript(source) : source;
    const etag = `"${createHash("sha256").update(script).digest("base64url").slice(0, 22)}"`;
    const path = CLIENT_PATH + name.replace(/\.ts$/, ".js");
    app.get(path, { config: { scope: "public" } }, async (request, reply) => {
      reply.header("cache-control", "no-cache").header("etag", etag);
      if (request.headers["if-none-match"]?.includes(etag)) return reply.code(304).send();
      return reply.type("text/javascript; charset=utf-8").send(script);
    });
  }
};

/** A module without its types, which imports others so. */
function toScript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/(from "\.{1,2}\/[\w/-]+)\.ts"/g, '$1.js"');
}
