import { Type } from "typebox";
import { json, type RouteDocs } from "../docs/route-docs.ts";
import { OperationId, Timestamp } from "../schemas/positions.ts";

const Caller = Type.Object(
  {
    caller: Type.String({
      description: "the name of the key, the subject of the token, or an address",
    }),
    authentication: Type.Enum(["none", "key", "token", "stream-token"], {
      description: "by what the caller was identified",
    }),
    scopes: Type.Array(Type.String(), { description: "what the caller may do" }),
    operation_ids: Type.Optional(
      Type.Array(OperationId, { description: "the only operations that a stream token is for" }),
    ),
    expires_at: Type.Optional(Timestamp),
  },
  {
    title: "Caller",
    examples: [
      {
        caller: "key:shop",
        authentication: "key",
        scopes: ["operations:read:order-*", "operations:start:name=ship_order"],
      },
    ],
  },
);

const StreamToken = Type.Object(
  { token: Type.String(), expires_at: Timestamp },
  {
    title: "StreamToken",
    examples: [{ token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", expires_at: "2026-11-23T16:45:31.000Z" }],
  },
);

export const GET_CALLER: RouteDocs = {
  operationId: "getCaller",
  tag: "access",
  summary: "Who the caller is to this server, and what it may do",
  answers: { 200: json(Caller, "The caller.") },
};

export const MAKE_STREAM_TOKEN: RouteDocs = {
  operationId: "makeStreamToken",
  tag: "access",
  summary: "A token with which a page may read, for minutes",
  description:
    "For certain operations, for those of a prefix, or for whatever the caller may read; never for more " +
    "than that, and not for longer than the caller's own credential. Streams take it as `?access_token=`; " +
    "every route that only reads takes it as a bearer token.",
  answers: { 201: json(StreamToken, "The token.") },
  problems: ["invalid-operation-id"],
};
