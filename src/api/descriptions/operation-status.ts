import { empty, json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { OperationDocument } from "../schemas/operation-document.ts";

const STATUS = {
  tag: "operations",
  description:
    "While the operation is active, `Retry-After` says when a further request may find something new.\n\n" +
    "**Long-poll**: with `Prefer: wait=25` and `If-None-Match` the request is answered at the first " +
    "state that differs, at once if the operation is terminal, and with 304 when the time is up. " +
    "Without `Preference-Applied` the answer was not waited for.",
  requestHeaders: ["If-None-Match", "Prefer"],
  answers: {
    200: json(OperationDocument, "Its present state.", [
      "ETag",
      "Retry-After",
      "Preference-Applied",
    ]),
    304: empty("Nothing changed since the state in `If-None-Match`.", [
      "ETag",
      "Retry-After",
      "Preference-Applied",
    ]),
  },
  problems: ["operation-not-found", ...SCHEDULER_PROBLEMS],
} satisfies Partial<RouteDocs>;

export const GET_OPERATION: RouteDocs = {
  ...STATUS,
  operationId: "getOperation",
  summary: "The state of an operation, now or at its next change",
};

export const GET_OPERATION_BY_QUERY: RouteDocs = {
  ...STATUS,
  operationId: "getOperationByQuery",
  summary: "The same for an id that a path cannot carry",
};
