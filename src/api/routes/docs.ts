import type { FastifyPluginAsync } from "fastify";
import { protectPages } from "../access/page-headers.ts";
import { GET_ASYNCAPI, GET_DOCS, GET_OPENAPI } from "../descriptions/docs.ts";
import { asyncApiDocument } from "../docs/asyncapi.ts";
import { openApiDocument } from "../docs/openapi.ts";
import { docsPage } from "../docs/page/docs-page.ts";

/** The API's description of itself: two documents, and both as a page. Made on first request. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  const openapi = once(() => openApiDocument(app.routeTable));
  const asyncapi = once(() => asyncApiDocument(app.prefix));
  const openapiJson = once(() => JSON.stringify(openapi()));
  const asyncapiJson = once(() => JSON.stringify(asyncapi()));
  const page = once(() => docsPage(openapi(), asyncapi()));

  app.addHook("onRequest", async (_request, reply) => {
    reply.header("cache-control", "no-cache");
  });
  app.get(
    "/openapi.json",
    { config: { scope: "public", docs: GET_OPENAPI } },
    async (_request, reply) => reply.type("application/json").send(openapiJson()),
  );
  app.get(
    "/asyncapi.json",
    { config: { scope: "public", docs: GET_ASYNCAPI } },
    async (_request, reply) => reply.type("application/json").send(asyncapiJson()),
  );
  await app.register(async (pages) => {
    await protectPages(pages);
    pages.get("/docs", { config: { scope: "public", docs: GET_DOCS } }, async (_request, reply) =>
      reply.type("text/html; charset=utf-8").send(page()),
    );
  });
};

/** `make`, called the first time only. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
