import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import type { FastifyPluginAsync } from "fastify";
import { serveModule } from "./serve-module.ts";

/** `.ts` in the repository, where nothing is built, and `.js` in the package. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const CLIENT = fileURLToPath(new URL("../../../../client/", import.meta.url));
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
    serveModule(app, CLIENT_PATH + name.replace(/\.ts$/, ".js"), script);
  }
};

/** A module without its types, which imports others so. */
function toScript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/(from "\.{1,2}\/[\w/-]+)\.ts"/g, '$1.js"');
}
