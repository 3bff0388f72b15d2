import type { FastifyPluginAsync } from "fastify";
import { GET_ASYNCAPI, GET_OPENAPI } from "../descriptions/docs.ts";
import { asyncApiDocument } from "../docs/asyncapi.ts";
import { openApiDocument } from "../docs/openapi.ts";

/** The API's description of itself, made on first request. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  let openapi: string | undefined;
  let asyncapi: string | undefined;

  app.get(
    "/openapi.json",
    { config: { scope: "public", docs: GET_OPENAPI } },
    async (_request, reply) => {
      openapi ??= JSON.stringify(openApiDocument(app.routeTable));
      return reply.header("cache-control", "no-cache").type("application/json").send(openapi);
    },
  );
  app.get(
    "/asyncapi.json",
    { config: { scope: "public", docs: GET_ASYNCAPI } },
    async (_request, reply) => {
      asyncapi ??= JSON.stringify(asyncApiDocument());
      return reply.header("cache-control", "no-cache").type("application/json").send(asyncapi);
    },
  );
};
