import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import { SEND_HINTS } from "../descriptions/hints.ts";
import { FORWARDED_HEADER } from "../hints/hint-peers.ts";
import { NoQuery } from "../request/query.ts";

export interface HintsOptions {
  readonly streams: {
    /** These operations have changed: those that are watched are read now. */
    hint(ids: readonly string[]): void;
  };
  readonly peers: {
    /** Passes hints on to the other replicas. */
    forward(ids: readonly string[]): void;
  };
}

const MAX_IDS = 1000;
/** 1,000 ids of 100 characters, each of which JSON may escape. */
const MAX_BODY_BYTES = 256 * 1024;

const Body = Type.Object(
  { operation_ids: Type.Array(Type.String({ maxLength: 100 }), { maxItems: MAX_IDS }) },
  { additionalProperties: false },
);

/** Hints: operations that have just changed, and are to be read now. @see docs/HINTS.md */
export const hintsRoute: FastifyPluginAsyncTypebox<HintsOptions> = async (
  app,
  { streams, peers },
) => {
  app.post(
    "/api/hints",
    {
      config: { scope: "hints:send", probe: true, docs: SEND_HINTS },
      bodyLimit: MAX_BODY_BYTES,
      schema: { querystring: NoQuery, body: Body },
    },
    async ({ body, headers }, reply) => {
      const ids = body.operation_ids;
      streams.hint(ids);
      if (headers[FORWARDED_HEADER] === undefined) peers.forward(ids);
      return reply.code(204).send();
    },
  );
};
