import { Type } from "typebox";
import { empty, json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { DOCUMENT_EXAMPLE, OperationDocument } from "../schemas/operation-document.ts";
import { StartedOperation } from "./start.ts";

const CONTROL = {
  tag: "control",
  answers: {
    202: {
      description:
        "The scheduler has accepted it. The operation's present state, which may not show it yet; to a " +
        "caller that may not read the operation, where it is found.",
      headers: ["Location"],
      optionalHeaders: ["ETag"],
      content: [
        {
          type: "application/json",
          schema: Type.Union([OperationDocument, StartedOperation]),
          example: DOCUMENT_EXAMPLE,
        },
      ],
    },
  },
  problems: ["operation-not-found", "wrong-state", "values-rejected", ...SCHEDULER_PROBLEMS],
} satisfies Partial<RouteDocs>;

export const TERMINATE: RouteDocs = {
  ...CONTROL,
  operationId: "terminateOperation",
  summary: "Ends an active operation",
  description: "The `reason` becomes the operation's `result`.",
};

export const SUSPEND: RouteDocs = {
  ...CONTROL,
  operationId: "suspendOperation",
  summary: "Suspends an active operation",
  description: "What happens meanwhile reaches the orchestration when it resumes.",
};

export const RESUME: RouteDocs = {
  ...CONTROL,
  operationId: "resumeOperation",
  summary: "Resumes a suspended operation",
};

export const REWIND: RouteDocs = {
  ...CONTROL,
  operationId: "rewindOperation",
  summary: "Continues a failed operation from where it failed",
};

export const RESTART: RouteDocs = {
  ...CONTROL,
  operationId: "restartOperation",
  summary: "Starts an operation again, with its input",
  description:
    "Under its own id a terminal operation; with `new_id` also an active one, beside which the new one runs.",
  answers: {
    202: json(StartedOperation, "It was started.", ["Location", "Retry-After"]),
  },
};

export const RAISE_EVENT: RouteDocs = {
  ...CONTROL,
  operationId: "raiseEvent",
  summary: "Sends an active operation an event",
  description:
    "It is kept until the orchestration waits for an event of this name. After a 503 or no answer it may " +
    "have been sent: a repetition can send it twice.",
};

export const PURGE: RouteDocs = {
  ...CONTROL,
  operationId: "purgeOperation",
  summary: "Removes a terminal operation permanently",
  answers: { 204: empty("It was removed, with its history.") },
};

const Purged = Type.Object(
  {
    deleted: Type.Integer({ minimum: 0, description: "how many this request has removed" }),
    complete: Type.Boolean({
      description: "whether nothing is left that matches; otherwise repeat the request",
    }),
  },
  { title: "Purged", examples: [{ deleted: 17, complete: true }] },
);

export const PURGE_MATCHING: RouteDocs = {
  ...CONTROL,
  operationId: "purgeOperations",
  summary: "Removes terminal operations that match, or one by its id",
  description:
    "At least one filter is needed. The work of one request is bounded: repeat it until the answer is " +
    "`complete`.",
  answers: {
    200: json(Purged, "What was removed."),
    204: empty("With `operation_id`: it was removed."),
  },
  problems: ["operation-not-found", "wrong-state", "too-many-purges", ...SCHEDULER_PROBLEMS],
};

/** The same for an id that a path cannot carry. */
export function byQuery(docs: RouteDocs): RouteDocs {
  const { operationId } = docs;
  return {
    ...docs,
    operationId: `${operationId}ByQuery`,
    summary: "The same for an id that a path cannot carry",
  };
}
