import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Static, TSchema } from "typebox";
import { type Access, ForbiddenError, formatGrant } from "../../../access.ts";
import type { SchedulerCommands } from "../../../dts/commands.ts";
import type { StreamContext } from "../../../streaming/delivery/stream-context.ts";
import { isEnded, isStarted } from "../../../streaming/operation/announced.ts";
import type { Operation } from "../../../streaming/operation/operation.ts";
import {
  byQuery,
  RESTART,
  RESUME,
  REWIND,
  SUSPEND,
  TERMINATE,
} from "../../descriptions/control.ts";
import type { RouteDocs } from "../../docs/route-docs.ts";
import { operationUrls } from "../../request/operation-urls.ts";
import { NoQuery, OneOperationQuery, OperationPath } from "../../request/query.ts";
import { retryAfterS } from "../../request/retry-after.ts";
import { Reason } from "../../schemas/text.ts";
import {
  ALWAYS,
  type Command,
  Commander,
  WHEN_FAILED,
  WHEN_TERMINAL,
  WHILE_ACTIVE,
} from "./commander.ts";

export interface ControlOptions {
  readonly scheduler: SchedulerCommands;
  readonly streams: StreamContext;
}

/** A body whose fields are all optional, so that it may be absent. */
function optional<T extends Parameters<typeof Type.Object>[0]>(fields: T) {
  return Type.Object(fields, { additionalProperties: false, examples: [{}] });
}
const ReasonBody = optional({ reason: Reason });
const TerminateBody = optional({
  reason: Reason,
  recursive: Type.Optional(
    Type.Boolean({ description: "whether its sub-orchestrations are terminated as well" }),
  ),
});
const RestartBody = optional({
  new_id: Type.Optional(
    Type.Boolean({ description: "whether it runs under a new id, beside the old one" }),
  ),
});

/** One verb, at `/api/operations/{id}/<verb>` and `/api/<verb>?operation_id=`. */
interface Verb<Body extends TSchema> {
  readonly body: Body;
  readonly docs: RouteDocs;
  run(id: string, body: Static<Body>, request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

/** Verbs that change how an operation runs. */
export const verbRoutes: FastifyPluginAsyncTypebox<ControlOptions> = async (
  app,
  { scheduler, streams },
) => {
  const commander = new Commander(streams);

  const add = <Body extends TSchema>(name: string, { body, docs, run }: Verb<Body>): void => {
    const config = { scope: "operations:control", bodyOptional: true } as const;
    app.post(
      `/api/operations/:id/${name}`,
      {
        schema: { params: OperationPath, querystring: NoQuery, body: body as TSchema },
        config: { ...config, docs },
      },
      async (request, reply) => {
        await run(request.params.id, request.body as Static<Body>, request, reply);
        return reply;
      },
    );
    app.post(
      `/api/${name}`,
      {
        schema: { querystring: OneOperationQuery, body: body as TSchema },
        config: { ...config, docs: byQuery(docs) },
      },
      async (request, reply) => {
        await run(request.query.operation_id, request.body as Static<Body>, request, reply);
        return reply;
      },
    );
  };

  /** A command that is answered with the document. */
  const command =
    <Body>(of: (id: string, body: Body) => Command<void>) =>
    async (id: string, body: Body, request: FastifyRequest, reply: FastifyReply) => {
      const { before } = await commander.run(id, request.access, of(id, body));
      await commander.answer(request, reply, before);
    };

  add("terminate", {
    body: TerminateBody,
    docs: TERMINATE,
    run: command((id, { reason, recursive = false }) => ({
      done: "terminated",
      allowed: WHILE_ACTIVE,
      // The protocol has an output in the place of a reason; it becomes the document's result.
      send: () => scheduler.terminate(id, JSON.stringify(reason), recursive),
      isShown: isEnded,
    })),
  });
  add("suspend", {
    body: ReasonBody,
    docs: SUSPEND,
    run: command((id, { reason }) => ({
      done: "suspended",
      // One that is suspended already may be about to resume, so the command is passed on.
      allowed: WHILE_ACTIVE,
      send: () => scheduler.suspend(id, reason),
      isShown: (after) => isEnded(after) || after?.status === "SUSPENDED",
    })),
  });
  add("resume", {
    body: ReasonBody,
    docs: RESUME,
    run: command((id, { reason }) => ({
      done: "resumed",
      allowed: WHILE_ACTIVE,
      send: () => scheduler.resume(id, reason),
      isShown: (after) => after?.status !== "SUSPENDED",
    })),
  });
  add("rewind", {
    body: ReasonBody,
    docs: REWIND,
    run: command((id, { reason }) => ({
      done: "rewound",
      allowed: WHEN_FAILED,
      send: () => scheduler.rewind(id, reason),
      isShown: hasMoved,
    })),
  });
  add("restart", {
    body: RestartBody,
    docs: RESTART,
    run: async (id, { new_id: newId = false }, { access, server }, reply) => {
      const { result: startedId } = await commander.run(id, access, {
        done: "restarted under its own id",
        allowed: newId ? ALWAYS : WHEN_TERMINAL,
        send: (before) => {
          if (newId) checkStartAnywhere(access, before.instance.name);
          return scheduler.restart(id, newId);
        },
        isShown: newId ? () => true : hasMoved,
      });
      if (newId) streams.changed(startedId, isStarted);
      const urls = operationUrls(startedId, server.prefix);
      reply.code(202).header("location", urls.status_url);
      reply.header("retry-after", retryAfterS(streams.watches.intervalMs(startedId)));
      await reply.send({ operation_id: startedId, ...urls });
    },
  });
};

function hasMoved(after: Operation | undefined, before: Operation): boolean {
  return after?.cursor.text !== before.cursor.text;
}

/** @throws ForbiddenError, because the scheduler chooses the id of the new operation */
function checkStartAnywhere(access: Access, name: string): void {
  if (access.startPrefix(name) === "") return;
  throw new ForbiddenError("operations:start", formatGrant({ scope: "operations:start", name }));
}
