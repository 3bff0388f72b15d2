import { Type } from "typebox";
import { empty, json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { LIST_EXAMPLE, OperationDocument, OperationList } from "../schemas/operation-document.ts";

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

export const LIST_OPERATIONS: RouteDocs = {
  tag: "operations",
  operationId: "listOperations",
  summary: "Operations, newest first, page by page; or one, by an id that a path cannot carry",
  description:
    "A page with a `next_page_token` is not the last, however short: filters that a scheduler lacks are " +
    "applied here, to a bounded number of operations a page. Operations created meanwhile are on none of " +
    "the later pages.\n\n" +
    "With `operation_id`: as `/api/operations/{id}`, with its headers and problems.",
  requestHeaders: STATUS.requestHeaders,
  answers: {
    200: {
      description: "A page; with `operation_id` its present state.",
      optionalHeaders: ["ETag", "Retry-After", "Preference-Applied"],
      content: [
        {
          type: "application/json",
          schema: Type.Union([OperationList, OperationDocument], { title: "OperationListOrOne" }),
          example: LIST_EXAMPLE,
        },
      ],
    },
    304: STATUS.answers[304],
  },
  problems: ["too-many-lists", ...STATUS.problems],
};
