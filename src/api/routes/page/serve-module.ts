import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";

/** Serves a script at `path`. It does not change while the process runs, so a browser that has it gets `304`. */
export function serveModule(app: FastifyInstance, path: string, script: string): void {
  const etag = `"${createHash("sha256").update(script).digest("base64url").slice(0, 22)}"`;
  app.get(path, { config: { scope: "public" } }, async (request, reply) => {
    reply.header("cache-control", "no-cache").header("etag", etag);
    if (request.headers["if-none-match"]?.includes(etag)) return reply.code(304).send();
    return reply.type("text/javascript; charset=utf-8").send(script);
  });
}
