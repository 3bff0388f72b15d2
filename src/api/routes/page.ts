import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

const PUBLIC = fileURLToPath(new URL("../../../public", import.meta.url));

/** Nothing inline and nothing from other origins: what an operation reports can never become code. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The page and its files. */
export async function installPage(app: FastifyInstance): Promise<void> {
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
}
