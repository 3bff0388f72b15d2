import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { byQuery, RAISE_EVENT } from "../../descriptions/control.ts";
import { MAX_PAYLOAD_BYTES } from "../../http/payload-limit.ts";
import { NoQuery, OneEventQuery, OperationPath } from "../../request/query.ts";
import { AnyJson } from "../../schemas/operation-document.ts";
import { EventName } from "../../schemas/text.ts";
import { Commander, WHILE_ACTIVE } from "./commander.ts";
import type { ControlOptions } from "./verbs.ts";

const EventPath = Type.Object({ ...OperationPath.properties, name: EventName });
const Data = AnyJson("any JSON, up to 1 MB, passed on digit for digit. Default: `null`");

/** Events for orchestrations that wait for one. */
export const raiseEventRoutes: FastifyPluginAsyncTypebox<ControlOptions> = async (
  app,
  { scheduler, streams },
) => {
  const commander = new Commander(streams);
  const options = { bodyLimit: MAX_PAYLOAD_BYTES };
  const config = { scope: "operations:control", bodyOptional: true, bodyVerbatim: true } as const;

  const raise = async (id: string, name: string, request: FastifyRequest, reply: FastifyReply) => {
    const { before } = await commander.run(id, request.access, {
      done: "sent events",
      allowed: WHILE_ACTIVE,
      send: () => scheduler.raiseEvent(id, name, request.bodyText ?? "null"),
    });
    await commander.answer(request, reply, before);
    return reply;
  };

  app.post(
    "/api/operations/:id/events/:name",
    {
      ...options,
      schema: { params: EventPath, querystring: NoQuery, body: Data },
      config: { ...config, docs: RAISE_EVENT },
    },
    (request, reply) => raise(request.params.id, request.params.name, request, reply),
  );
  app.post(
    "/api/events",
    {
      ...options,
      schema: { querystring: OneEventQuery, body: Data },
      config: { ...config, docs: byQuery(RAISE_EVENT) },
    },
    (request, reply) => raise(request.query.operation_id, request.query.name, request, reply),
  );
};
