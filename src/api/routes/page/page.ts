import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyPluginAsync } from "fastify";
import { protectPages } from "../../access/page-headers.ts";
import { PACKAGE_ROOT } from "../../package-root.ts";
import { vendorModuleRoutes } from "./vendor-modules.ts";

const PUBLIC = fileURLToPath(new URL("public", PACKAGE_ROOT));
/** Addresses of its views beside `/`, by their depth below it. The page's scripts show what belongs to each. */
const VIEWS = { "./": ["/start", "/connection"], "../": ["/operations/", "/operations/:id"] };

/**
 * The page and its files. They hold nothing of any operation, and are loaded before a reader can sign in.
 * All refer to each other by relative addresses, so that they work under any prefix.
 */
export const pageRoutes: FastifyPluginAsync = async (app) => {
  app.addHook("onRoute", (route) => {
    route.config = { ...route.config, scope: "public" };
  });
  await protectPages(app);
  await app.register(fastifyStatic, {
    root: PUBLIC,
    wildcard: false,
    globIgnore: ["types/**", "jsconfig.json"],
    cacheControl: false,
    decorateReply: false,
    setHeaders: (reply) => {
      reply.header("cache-control", "no-cache");
    },
  });
  const index = readFileSync(`${PUBLIC}/index.html`, "utf8");
  for (const [toRoot, paths] of Object.entries(VIEWS)) {
    const html = index.replaceAll('="./', `="${toRoot}`);
    for (const path of paths) {
      app.get(path, (_request, reply) =>
        reply.header("cache-control", "no-cache").type("text/html; charset=utf-8").send(html),
      );
    }
  }
  await app.register(vendorModuleRoutes);
};
