import type { FastifyPluginAsync } from "fastify";
import { formatGrant } from "../../access.ts";
import { GET_CALLER } from "../descriptions/credentials.ts";
import { NoQuery } from "../request/query.ts";

/** Who the caller is to this server, so that a program can offer what it may do, and nothing else. */
export const callerRoute: FastifyPluginAsync = async (app) => {
  app.get(
    "/api/caller",
    { schema: { querystring: NoQuery }, config: { scope: "authenticated", docs: GET_CALLER } },
    async ({ access }, reply) => {
      const { caller, authentication, grants, expiresAtMs } = access;
      const operation_ids = grants.flatMap(({ ids }) => [...(ids ?? [])]);
      return reply.header("cache-control", "no-store").send({
        caller,
        authentication,
        scopes: grants.map(formatGrant),
        ...(operation_ids.length > 0 && { operation_ids }),
        ...(expiresAtMs !== undefined && { expires_at: new Date(expiresAtMs) }),
      });
    },
  );
};
