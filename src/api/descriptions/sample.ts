import { Type } from "typebox";
import { json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { OperationId } from "../schemas/positions.ts";

const StartedOperation = Type.Object(
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

export const START_SAMPLE: RouteDocs = {
  operationId: "startSampleOperation",
  tag: "sample",
  summary: "Starts an operation of the sample",
  description:
    "The operation exists when the answer arrives. Choose the `operation_id` if you repeat starts: after " +
    "a 503, a lost connection or no answer repeat the request with the same id until the answer is 202 or " +
    "409. Exactly one operation runs then.",
  answers: {
    202: json(StartedOperation, "It was started.", ["Location", "Retry-After"]),
  },
  problems: ["operation-exists", "sample-off", ...SCHEDULER_PROBLEMS],
};

export const GET_SAMPLE: RouteDocs = {
  operationId: "getSample",
  tag: "sample",
  summary: "Whether operations of the sample can be started here",
  answers: { 200: json(Sample, "What the page needs to know.") },
};
