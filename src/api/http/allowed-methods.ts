import { METHODS } from "node:http";
import type { FastifyInstance, RouteOptions } from "fastify";
import { refuseMethod } from "../problem-details.ts";

/**
 * Records which routes are added, so that `complete` can answer every other method of a known path
 * with 405 and `Allow`, where Fastify alone answers 404.
 */
export function watchAllowedMethods(app: FastifyInstance): { complete(): void } {
  // Methods that Fastify does not route get 405 too, except CONNECT: Node closes the connection.
  for (const method of METHODS) {
    if (method !== "CONNECT" && !app.supportedMethods.includes(method)) app.addHttpMethod(method);
  }
  const methodsByUrl = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }: RouteOptions) => {
    const methods = methodsByUrl.get(url) ?? new Set<string>();
    for (const each of [method].flat()) methods.add(each);
    methodsByUrl.set(url, methods);
  });

  return {
    complete() {
      for (const [url, methods] of new Map(methodsByUrl)) {
        const allowed = [...methods].sort();
        const refused = app.supportedMethods.filter((method) => !methods.has(method));
        app.route({
          method: refused as RouteOptions["method"],
          url: url.slice(app.prefix.length),
          prefixTrailingSlash: "slash", // The other path has its own.
          exposeHeadRoute: false,
          config: { scope: "public" },
          // Before the body is parsed, so that its content type makes no difference.
          onRequest: refuseMethod(allowed.join(", ")),
          handler: () => undefined,
        });
      }
    },
  };
}
