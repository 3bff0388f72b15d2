import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import type { Static } from "typebox";
import { type Access, ForbiddenError, formatGrant, type Grant } from "../../access.ts";
import { ProblemError } from "../../problems.ts";
import type { StreamTokens } from "../credentials/stream-tokens.ts";
import { MAKE_STREAM_TOKEN } from "../descriptions/credentials.ts";
import { NoQuery, prefix } from "../request/query.ts";
import { OperationId } from "../schemas/positions.ts";

const DEFAULT_TTL_S = 300;
const MAX_TTL_S = 900;
/** As many as one stream carries. */
const MAX_IDS = 200;
/** 200 ids of 100 characters. */
const MAX_BODY_BYTES = 32 * 1024;

/** Without unknown members: a misspelt one would leave the token wider than it was meant to be. */
const members = {
  operation_ids: Type.Optional(
    Type.Array(OperationId, {
      minItems: 1,
      maxItems: MAX_IDS,
      description: `the ids of the operations that it is for, 1 to ${MAX_IDS}`,
    }),
  ),
  /** Or the beginning of their ids. Default: whatever the caller may read. */
  prefix,
  /** Never longer than the caller's own credential. */
  ttl_s: Type.Integer({
    minimum: 1,
    maximum: MAX_TTL_S,
    default: DEFAULT_TTL_S,
    description: `the seconds for which it is valid, 1 to ${MAX_TTL_S}`,
  }),
};
const Body = Type.Object(members, {
  additionalProperties: false,
  examples: [{ operation_ids: ["order-17"] }],
});

/**
 * Makes stream tokens.
 *   STREAM-TOKEN-1. A token permits to read, and never more, nor for longer, than its maker may read.
 */
export const streamTokensRoute: FastifyPluginAsyncTypebox<{
  readonly streamTokens: StreamTokens;
}> = async (app, { streamTokens }) => {
  app.post(
    "/api/stream-tokens",
    {
      config: { scope: "streams:token", docs: MAKE_STREAM_TOKEN },
      bodyLimit: MAX_BODY_BYTES,
      schema: { querystring: NoQuery, body: Body },
    },
    async ({ access, body }, reply) => {
      const grants = grantsFor(body, access);
      const untilMs = Math.min(
        Date.now() + body.ttl_s * 1000,
        access.expiresAtMs ?? Number.POSITIVE_INFINITY,
      );
      const expiresAtMs = Math.floor(untilMs / 1000) * 1000; // Tokens have whole seconds.
      const token = await streamTokens.sign({ caller: access.caller, grants, expiresAtMs });
      return reply
        .code(201)
        .header("cache-control", "no-store")
        .send({ token, expires_at: new Date(expiresAtMs) });
    },
  );
};

/** @throws ForbiddenError where the caller may not read all of it (STREAM-TOKEN-1) */
function grantsFor(wanted: Static<typeof Body>, access: Access): readonly Grant[] {
  const scope = "operations:read";
  if (wanted.operation_ids && wanted.prefix !== undefined) {
    const detail = '"operation_ids" and "prefix" exclude each other.';
    throw new ProblemError("invalid-body", 400, detail);
  }
  if (wanted.operation_ids) {
    const ids = new Set(wanted.operation_ids);
    const beyond = [...ids].find((id) => !access.mayRead(id));
    if (beyond !== undefined)
      throw new ForbiddenError(scope, formatGrant({ scope, prefix: beyond }));
    return [{ scope, ids }];
  }
  if (wanted.prefix !== undefined) {
    access.checkReadAll(wanted.prefix);
    return [{ scope, prefix: wanted.prefix }];
  }
  const own = access.grants.filter((grant) => grant.scope === scope);
  if (own.length === 0) throw new ForbiddenError(scope);
  return own;
}
