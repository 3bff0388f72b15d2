import { type TProperties, Type } from "typebox";
import { BYE_REASONS } from "../../streaming/delivery/bye.ts";
import { RESET_REASONS } from "../../streaming/steps/steps-view.ts";
import { STEP_EXAMPLE, STEP_MEMBERS } from "./history.ts";
import { DOCUMENT_EXAMPLE, OperationDocument } from "./operation-document.ts";
import { OperationId, Timestamp } from "./positions.ts";
import { PROBLEM_EXAMPLE, Problem } from "./problem.ts";

/** What a server sends on streams, whatever the transport: members, meaning and an example. */
export interface StreamMessage {
  readonly members: TProperties & { readonly type: { readonly const: string } };
  readonly description: string;
  readonly example: Readonly<Record<string, unknown>>;
}

const document = DOCUMENT_EXAMPLE;
const problem = PROBLEM_EXAMPLE;

const retryMs = Type.Integer({ minimum: 0, description: "time until then, in milliseconds" });

export const snapshot = {
  members: { type: Type.Literal("snapshot"), operation: OperationDocument },
  description: "The present state: the first event about an operation on a connection",
  example: { type: "snapshot", operation: document },
} satisfies StreamMessage;

export const update = {
  members: {
    type: Type.Literal("update"),
    changed: Type.Array(Type.String(), {
      description: "the document's keys that differ from the event before on this connection",
    }),
    coalesced: Type.Integer({
      minimum: 0,
      description: "changes that were merged into this one for a client that does not keep up",
    }),
    operation: OperationDocument,
  },
  description: "A later state",
  example: { type: "update", changed: ["custom_status"], coalesced: 0, operation: document },
} satisfies StreamMessage;

export const removed = {
  members: {
    type: Type.Literal("removed"),
    operation_id: OperationId,
    reason: Type.Literal("no_match"),
  },
  description:
    "On a filtered feed: the operation does not match any more. Ignore it for one that you do not have",
  example: { type: "removed", operation_id: "order-17", reason: "no_match" },
} satisfies StreamMessage;

export const step = {
  members: STEP_MEMBERS,
  description: "With `detail=steps`: one entry of the history, each exactly once and in order",
  example: STEP_EXAMPLE,
} satisfies StreamMessage;

export const reset = {
  members: {
    type: Type.Literal("reset"),
    reason: Type.Enum([...RESET_REASONS]),
    last_seq: Type.Integer({ minimum: 0, description: "last step sent of the former history" }),
  },
  description:
    "With `detail=steps`: another history begins here. The next step is the first of the new one",
  example: { type: "reset", reason: "continued_as_new", last_seq: 12 },
} satisfies StreamMessage;

export const heartbeat = {
  members: {
    type: Type.Literal("heartbeat"),
    as_of: Type.Union([Timestamp, Type.Null()], {
      description: "no change older than this is missing; null until the first state is known",
    }),
    heartbeat_ms: Type.Integer({ minimum: 1, description: "time to the next one" }),
  },
  description: "Shows that the connection works, and how up to date it is",
  example: { type: "heartbeat", as_of: "2026-11-23T16:40:44.871Z", heartbeat_ms: 15_000 },
} satisfies StreamMessage;

export const problemEvent = {
  members: {
    type: Type.Literal("problem"),
    operation_id: Type.Optional(OperationId),
    problem: Problem,
  },
  description:
    "Something to know; the stream goes on. With `operation_id` it is about that operation",
  example: { type: "problem", operation_id: "order-17", problem },
} satisfies StreamMessage;

export const bye = {
  members: {
    type: Type.Literal("bye"),
    reason: Type.Enum([...BYE_REASONS], { description: "why the stream ends" }),
    reconnect: Type.Boolean({ description: "whether to connect again, with the last cursor" }),
    retry_ms: retryMs,
  },
  description: "Always the last one; then a clean end",
  example: { type: "bye", reason: "terminal", reconnect: false, retry_ms: 1840 },
} satisfies StreamMessage;

const resumed = Type.Optional(
  Type.Boolean({
    description:
      "on the first event of a connection: whether it continues from the client's cursor",
  }),
);

/** The `data` of a server-sent event. */
function eventData(title: string, { members, description, example }: StreamMessage) {
  return Type.Object({ resumed, ...members }, { title, description, examples: [example] });
}

/** The events of streams by name: the schema of their `data`. */
export const STREAM_EVENTS = {
  snapshot: eventData("SnapshotEvent", {
    ...snapshot,
    example: { resumed: false, ...snapshot.example },
  }),
  update: eventData("UpdateEvent", update),
  removed: eventData("RemovedEvent", removed),
  step: eventData("StepEvent", step),
  reset: eventData("ResetEvent", reset),
  heartbeat: eventData("HeartbeatEvent", heartbeat),
  problem: eventData("ProblemEvent", problemEvent),
  bye: eventData("ByeEvent", bye),
};
export type StreamEventName = keyof typeof STREAM_EVENTS;
