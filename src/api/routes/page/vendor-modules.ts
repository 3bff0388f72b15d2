import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FastifyPluginAsync } from "fastify";
import { serveModule } from "./serve-module.ts";

/** Node.js would use another build, in a folder below that of the browser's. */
const NODE_BUILD = createRequire(import.meta.url).resolve("lit-html");
const LIT = fileURLToPath(new URL("../", pathToFileURL(NODE_BUILD)));
/** What the page imports of lit-html, and what that imports. */
const MODULES = ["lit-html.js", "directive.js", "directive-helpers.js", "directives/repeat.js"];

/**
 * lit-html for the page, under `/vendor/lit-html/`, as it is in its package: a build for production. It is 3.3.0, since
 * 3.3.1 to 3.3.3 leave a comment in the list for each row that goes: https://github.com/lit/lit/issues/5298
 */
export const vendorModuleRoutes: FastifyPluginAsync = async (app) => {
  for (const name of MODULES) {
    const script = readFileSync(LIT + name, "utf8").replace(/\/\/# sourceMappingURL=.*/, "");
    serveModule(app, `/vendor/lit-html/${name}`, script);
  }
};
