import type { FastifyInstance, RouteOptions } from "fastify";

declare module "fastify" {
  interface FastifyInstance {
    /** Every route, in the order of registration, but those that only refuse a method. */
    readonly routeTable: readonly RouteOptions[];
  }
}

/** Records the routes that are added from now on until `complete`. */
export function recordRoutes(app: FastifyInstance): { complete(): void } {
  const routes: RouteOptions[] = [];
  let isComplete = false;
  app.decorate("routeTable", routes);
  app.addHook("onRoute", (route) => {
    if (!isComplete) routes.push(route);
  });
  return {
    complete() {
      isComplete = true;
    },
  };
}
