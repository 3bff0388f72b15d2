import { Type } from "typebox";
import { json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { DOCUMENT_EXAMPLE, OperationDocument } from "../schemas/operation-document.ts";
import { OperationId } from "../schemas/positions.ts";

export const StartedOperation = Type.Object(
  {
    operation_id: OperationId,
    status_url: Type.String({ description: "a path at this server" }),
    events_url: Type.String({ description: "a path at this server" }),
  },
  {
    title: "StartedOperation",
    description: "An operation that was started, and where it is found",
    examples: [
      {
        operation_id: "order-17",
        status_url: "/api/operations/order-17",
        events_url: "/api/operations/order-17/events",
      },
    ],
  },
);

const Sample = Type.Object(
  { enabled: Type.Boolean({ description: "whether this server starts the sample's operations" }) },
  { title: "Sample", examples: [{ enabled: true }] },
);

const START = {
  requestHeaders: ["Idempotency-Key", "Prefer"],
  answers: {
    200: {
      description:
        "With `Prefer: wait`: the operation is terminal. With an `Accept` that names `text/event-stream`: " +
        "the operation's own stream, from its first state.",
      headers: ["Location"],
      optionalHeaders: ["ETag", "Preference-Applied", "Idempotency-Replayed"],
      content: [
        { type: "application/json", schema: OperationDocument, example: DOCUMENT_EXAMPLE },
        "event-stream",
      ],
    },
    202: json(StartedOperation, "It was started.", [
      "Location",
      "Retry-After",
      "Preference-Applied",
      "Idempotency-Replayed",
    ]),
  },
} satisfies Partial<RouteDocs>;

const REPEATED =
  "The operation exists when the answer arrives. After a 503, a lost connection or no answer repeat the " +
  "request with the same `Idempotency-Key`, or with the same `operation_id` until the answer is 202 or " +
  "409. Exactly one operation runs then.";

export const START_ORCHESTRATION: RouteDocs = {
  ...START,
  operationId: "startOperation",
  tag: "operations",
  summary: "Starts an orchestration",
  description: REPEATED,
  problems: [
    "operation-exists",
    "idempotency-key-reused",
    "values-rejected",
    ...SCHEDULER_PROBLEMS,
  ],
};

export const START_SAMPLE: RouteDocs = {
  ...START,
  operationId: "startSampleOperation",
  tag: "sample",
  summary: "Starts an operation of the sample",
  description: REPEATED,
  problems: [
    "operation-exists",
    "idempotency-key-reused",
    "values-rejected",
    "sample-off",
    ...SCHEDULER_PROBLEMS,
  ],
};

export const GET_SAMPLE: RouteDocs = {
  operationId: "getSample",
  tag: "sample",
  summary: "Whether operations of the sample can be started here",
  answers: { 200: json(Sample, "What the page needs to know.") },
};
