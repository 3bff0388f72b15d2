import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyPluginAsync } from "fastify";
import { protectPages } from "../access/page-headers.ts";

const PUBLIC = fileURLToPath(new URL("../../../public", import.meta.url));

/** The page and its files. They hold nothing of any operation, and are loaded before a reader can sign in. */
export const pageRoutes: FastifyPluginAsync = async (app) => {
  app.addHook("onRoute", (route) => {
    route.config = { ...route.config, scope: "public" };
  });
  await protectPages(app);
  await app.register(fastifyStatic, {
    root: PUBLIC,
    wildcard: false,
    cacheControl: false,
    setHeaders: (reply) => {
      reply.header("cache-control", "no-cache");
    },
  });
};
