import { type Static, Type } from "typebox";
import type { ListOptions, ListQuery } from "../../streaming/list/operation-lists.ts";
import { OperationId } from "../schemas/positions.ts";
import { filterOf, filterParameters } from "./filter-parameters.ts";
import { invalidQuery, only, prefix } from "./query.ts";

/** Operations of a page, where a request does not say how many. */
const DEFAULT_LIMIT = 100;

export const time = Type.Optional(
  Type.String({
    format: "date-time",
    description:
      "a time with its zone, such as 2026-11-23T16:40:29Z (percent-encode the + of an offset)",
  }),
);

/** `GET /api/operations`: one operation, or a list. */
export const OperationsQuery = only({
  operation_id: Type.Optional(OperationId),
  ...filterParameters,
  prefix,
  created_after: time,
  created_before: time,
  limit: Type.Optional(
    Type.String({
      pattern: "^([1-9]\\d?|[1-4]\\d\\d|500)$",
      description: "a whole number from 1 to 500",
    }),
  ),
  page_token: Type.Optional(
    Type.String({ maxLength: 200, description: 'the "next_page_token" of the page before' }),
  ),
  include: Type.Optional(
    Type.Enum(
      ["input", "result", "input,result", "result,input", "stack", "input,stack", "stack,input"],
      {
        description:
          '"input", "result" or "input,result"; with "operation_id" "stack" for "result"',
      },
    ),
  ),
});

/** What `/api/operations` is asked for. */
export type OperationsWanted =
  | { readonly kind: "operation"; readonly id: string; readonly include: string | undefined }
  | { readonly kind: "list"; readonly query: ListQuery; readonly options: ListOptions };

/** @throws InvalidOperationIdError, ProblemError `invalid-query` for parameters that contradict */
export function operationsWanted(query: Static<typeof OperationsQuery>): OperationsWanted {
  const { operation_id, include, ...list } = query;
  if (operation_id !== undefined) {
    const [other] = Object.keys(list);
    if (other !== undefined)
      throw invalidQuery(`"operation_id" and "${other}" exclude each other.`);
    if (include?.includes("result")) {
      throw invalidQuery(
        'With "operation_id" "include" must be "input", "stack" or "input,stack": the result is there anyway.',
      );
    }
    return { kind: "operation", id: operation_id, include };
  }
  if (include?.includes("stack")) {
    throw invalidQuery('"include" may have "stack" only with "operation_id".');
  }
  return {
    kind: "list",
    query: {
      prefix: list.prefix ?? "",
      filter: filterOf(list),
      createdFromMs: timeOf("created_after", list.created_after),
      createdToMs: timeOf("created_before", list.created_before),
    },
    options: {
      limit: Number(list.limit ?? DEFAULT_LIMIT),
      input: include?.includes("input") ?? false,
      result: include?.includes("result") ?? false,
      pageToken: list.page_token,
    },
  };
}

/** @throws ProblemError `invalid-query` */
export function timeOf(parameter: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const epochMs = Date.parse(text);
  if (Number.isNaN(epochMs)) throw invalidQuery(`"${parameter}" is not a time that exists.`);
  return Math.max(0, epochMs);
}
