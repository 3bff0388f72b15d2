import { Type } from "typebox";
import { json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
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

/** The same for an id that a path cannot carry. */
export function byQuery(docs: RouteDocs): RouteDocs {
  const { operationId } = docs;
  return {
    ...docs,
    operationId: `${operationId}ByQuery`,
    summary: "The same for an id that a path cannot carry",
  };
}
