import { type TProperties, Type } from "typebox";
import { MAX_SUB_LENGTH } from "../../streaming/delivery/ws/ws-protocol.ts";
import { OPERATION_ID_PREFIX } from "../../streaming/operation/operation-id.ts";
import { filterParameters } from "../request/filter-parameters.ts";
import { CURSOR_EXAMPLE, EventId, OperationId, Timestamp } from "./positions.ts";
import {
  bye,
  heartbeat,
  problemEvent,
  removed,
  reset,
  type StreamMessage,
  snapshot,
  step,
  update,
} from "./stream-events.ts";

const sub = Type.String({
  minLength: 1,
  maxLength: MAX_SUB_LENGTH,
  description: "the client's name for the subscription",
});
const cursor = Type.Optional(EventId);
const ADDRESS = { sub: "s1", operation_id: "order-17" };

/** A message about one subscription. */
function addressed(title: string, { members, description, example }: StreamMessage) {
  return Type.Object(
    { sub, operation_id: OperationId, cursor, ...members },
    { title, description, examples: [{ ...ADDRESS, ...example }] },
  );
}

function message(
  title: string,
  members: TProperties,
  description: string,
  example: Readonly<Record<string, unknown>>,
) {
  return Type.Object(members, { title, description, examples: [example] });
}

/** What a server sends over a WebSocket, by `type`. */
export const SERVER_MESSAGES = {
  authenticated: message(
    "AuthenticatedMessage",
    { type: Type.Literal("authenticated"), expires_at: Type.Optional(Timestamp) },
    "The answer to `auth`; with the time at which the credential ends, if it does",
    { type: "authenticated", expires_at: "2026-11-23T16:45:31.000Z" },
  ),
  subscribed: message(
    "SubscribedMessage",
    {
      type: Type.Literal("subscribed"),
      sub,
      operation_id: Type.Optional(OperationId),
      resumed: Type.Boolean({ description: "whether it continues from the client's cursor" }),
    },
    "Before the first message of a subscription; without `operation_id` for a feed",
    { type: "subscribed", ...ADDRESS, resumed: false },
  ),
  snapshot: addressed("SnapshotMessage", snapshot),
  update: addressed("UpdateMessage", update),
  removed: addressed("RemovedMessage", removed),
  step: addressed("StepMessage", step),
  reset: addressed("ResetMessage", reset),
  unsubscribed: message(
    "UnsubscribedMessage",
    {
      type: Type.Literal("unsubscribed"),
      sub,
      operation_id: Type.Optional(OperationId),
      reason: Type.Enum(["terminal", "not-found", "gone", "requested", "forbidden"]),
    },
    "The last message of a subscription, whose name is free again",
    { type: "unsubscribed", ...ADDRESS, reason: "terminal" },
  ),
  problem: message(
    "ProblemMessage",
    { sub: Type.Optional(sub), cursor, ...problemEvent.members },
    "Something to know, or a refusal; with `sub` where it belongs to one subscription",
    { ...problemEvent.example, ...ADDRESS },
  ),
  pong: message("PongMessage", { type: Type.Literal("pong") }, "The answer to `ping`", {
    type: "pong",
  }),
  heartbeat: message(
    "HeartbeatMessage",
    { sub: Type.Optional(sub), cursor, ...heartbeat.members },
    `${heartbeat.description}; with \`sub\` of one feed, and where it is`,
    heartbeat.example,
  ),
  bye: message("ByeMessage", bye.members, "Always the last one; then the connection closes", {
    ...bye.example,
    reason: "rotate",
    reconnect: true,
  }),
};

const FEED = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({
        pattern: OPERATION_ID_PREFIX.source,
        description: "the beginning of their ids",
      }),
    ),
    ...filterParameters,
  },
  {
    additionalProperties: false,
    description: "which operations to follow; `{}` for all",
    examples: [{ status: "RUNNING" }],
  },
);

/** What a client sends over a WebSocket. `subscribe_feed` has the type `subscribe`. */
export const CLIENT_MESSAGES = {
  subscribe: message(
    "SubscribeMessage",
    {
      type: Type.Literal("subscribe"),
      sub,
      operation_id: OperationId,
      after: Type.Optional(
        Type.String({
          description: "the last cursor that the client has",
          examples: [CURSOR_EXAMPLE],
        }),
      ),
      detail: Type.Optional(Type.Enum(["status", "steps"])),
      include: Type.Optional(Type.Enum(["payloads"], { description: "with `detail` `steps`" })),
    },
    "Follows an operation",
    { type: "subscribe", ...ADDRESS },
  ),
  subscribe_feed: message(
    "SubscribeFeedMessage",
    {
      type: Type.Literal("subscribe"),
      sub,
      feed: FEED,
      after: Type.Optional(
        Type.String({ description: "the last watermark of the feed that the client has" }),
      ),
    },
    "Follows all operations that match",
    { type: "subscribe", sub: "s2", feed: { status: "RUNNING" } },
  ),
  unsubscribe: message(
    "UnsubscribeMessage",
    { type: Type.Literal("unsubscribe"), sub },
    "Ends a subscription",
    { type: "unsubscribe", sub: "s1" },
  ),
  auth: message(
    "AuthMessage",
    {
      type: Type.Literal("auth"),
      token: Type.String({ description: "a key or token, without `Bearer`" }),
    },
    "Says who the client is, as the first message within 10 s, or again with a newer credential",
    { type: "auth", token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln" },
  ),
  ping: message("PingMessage", { type: Type.Literal("ping") }, "Asks for a `pong`", {
    type: "ping",
  }),
};
