import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyPluginAsync } from "fastify";

const PUBLIC = fileURLToPath(new URL("../../../public", import.meta.url));

/** Nothing inline and nothing from other origins: what an operation reports can never become code. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The page and its files. They hold nothing of any operation, and are loaded before a reader can sign in. */
export const pageRoutes: FastifyPluginAsync = async (app) => {
  app.addHook("onRoute", (route) => {
    route.config = { ...route.config, scope: "public" };
  });
  await app.register(fastifyStatic, {
    root: PUBLIC,
    wildcard: false,
    cacheControl: false,
    setHeaders: (reply) => {
      reply.header("cache-control", "no-cache");
      reply.header("content-security-policy", CONTENT_SECURITY_POLICY);
      reply.header("x-content-type-options", "nosniff");
      reply.header("referrer-policy", "no-referrer");
    },
  });
};
