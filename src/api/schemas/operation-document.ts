import { Type } from "typebox";
import { OPERATION_STATUSES } from "../../streaming/operation/operation-status.ts";
import { CURSOR_EXAMPLE, Cursor, OperationId, Timestamp } from "./positions.ts";

export const OperationStatus = Type.Enum([...OPERATION_STATUSES], {
  title: "OperationStatus",
  description:
    "active: `PENDING`, `RUNNING`, `SUSPENDED`; terminal: the others. Treat a status that you do not " +
    "know as active",
});

/** Why an orchestration, an activity or a sub-orchestration failed. */
export const Failure = Type.Object(
  { type: Type.String(), message: Type.String() },
  { title: "Failure", examples: [{ type: "Error", message: "the warehouse is closed" }] },
);

/** JSON of an orchestration. */
export const AnyJson = (description: string) => Type.Unknown({ description });

export const DOCUMENT_EXAMPLE = {
  operation_id: "order-17",
  name: "ship_order",
  status: "RUNNING",
  created_at: "2026-11-23T16:40:29.102Z",
  last_updated: "2026-11-23T16:40:31.147Z",
  custom_status: { percent: 66, step: 2, steps: 3, message: "step 2 of 3" },
  cursor: CURSOR_EXAMPLE,
};

export const OperationDocument = Type.Object(
  {
    operation_id: OperationId,
    name: Type.String({ description: "of the orchestration" }),
    version: Type.Optional(Type.String({ description: "of the orchestration" })),
    status: OperationStatus,
    created_at: Timestamp,
    scheduled_at: Type.Optional(Timestamp),
    last_updated: Timestamp,
    completed_at: Type.Optional(Timestamp),
    parent_id: Type.Optional(OperationId),
    tags: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: "with which it was started" }),
    ),
    custom_status: Type.Optional(
      AnyJson("what the orchestration has set, digit for digit; a string where it is not JSON"),
    ),
    input: Type.Optional(
      AnyJson("with `include=input` on a request for the status: what the orchestration was given"),
    ),
    result: Type.Optional(
      AnyJson(
        "with `Completed` and `TERMINATED`: what the orchestration returned, digit for digit",
      ),
    ),
    error: Type.Optional(
      Type.Object({
        ...Failure.properties,
        stack: Type.Optional(
          Type.String({
            description:
              "with `include=stack` on a request for the status, where the worker reported it",
          }),
        ),
      }),
    ),
    cursor: Cursor,
  },
  {
    title: "OperationDocument",
    description: "One state of one operation. Ignore keys that you do not know",
    examples: [DOCUMENT_EXAMPLE],
  },
);

export const LIST_EXAMPLE = {
  operations: [DOCUMENT_EXAMPLE],
  next_page_token: "p1.k3v9qa.mwths432.1aao.b3JkZXItMTc",
};

export const OperationList = Type.Object(
  {
    operations: Type.Array(OperationDocument, {
      description: "newest first; with `result` and `input` only where `include` names them",
    }),
    next_page_token: Type.Optional(
      Type.String({ description: "leads to the next page; absent on the last one" }),
    ),
  },
  { title: "OperationList", description: "A page of operations", examples: [LIST_EXAMPLE] },
);
