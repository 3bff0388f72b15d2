import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SchedulerClient } from "../../../dts/client.ts";
import { ProblemError } from "../../../problems.ts";
import type { StreamContext } from "../../../streaming/delivery/stream-context.ts";
import { PURGE, PURGE_MATCHING } from "../../descriptions/control.ts";
import { PurgeQuery, purgeWanted } from "../../request/purge-query.ts";
import { NoQuery, OperationPath } from "../../request/query.ts";
import { Commander, WHEN_TERMINAL } from "./commander.ts";
import { purgeMatching } from "./purge-matching.ts";

/** Purges of many that are under way at a time: each makes up to eight calls at a time. */
const MAX_UNDER_WAY = 4;

/** Removing terminal operations permanently. */
export const purgeRoutes: FastifyPluginAsyncTypebox<{
  readonly scheduler: Pick<SchedulerClient, "purge" | "queryInstances">;
  readonly streams: StreamContext;
}> = async (app, { scheduler, streams }) => {
  const commander = new Commander(streams);
  const purging = {
    permit: () => streams.watches.permit(),
    queryInstances: scheduler.queryInstances,
    purge: scheduler.purge,
  };
  let underWay = 0;

  app.delete(
    "/api/operations/:id",
    {
      schema: { params: OperationPath, querystring: NoQuery },
      config: { scope: "operations:control", docs: PURGE, bodyOptional: true },
    },
    (request, reply) => purgeOne(request.params.id, request, reply),
  );

  app.delete(
    "/api/operations",
    {
      schema: { querystring: PurgeQuery },
      config: { scope: "operations:control", docs: PURGE_MATCHING, bodyOptional: true },
    },
    async (request, reply) => {
      const wanted = purgeWanted(request.query);
      if (wanted.kind === "operation") return purgeOne(wanted.id, request, reply);
      request.access.checkControlAll(wanted.prefix);
      if (underWay >= MAX_UNDER_WAY) throw new TooManyPurgesError();
      underWay += 1;
      try {
        return await reply.send(await purgeMatching(purging, wanted.query));
      } finally {
        underWay -= 1;
      }
    },
  );

  const purgeOne = async (id: string, { access }: FastifyRequest, reply: FastifyReply) => {
    await commander.run(id, access, {
      done: "purged",
      allowed: WHEN_TERMINAL,
      send: async () => ((await scheduler.purge(id)) ? "purged" : "refused"),
      isShown: (after) => after === undefined,
    });
    return reply.code(204).send();
  };
};

class TooManyPurgesError extends ProblemError {
  constructor() {
    const detail = "This replica purges as much as it can. Try again after Retry-After.";
    super("too-many-purges", 503, detail, { retryAfterS: 5 });
  }
}
