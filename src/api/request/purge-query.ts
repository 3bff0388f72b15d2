import { type Static, Type } from "typebox";
import type { InstanceQuery } from "../../dts/instance-query.ts";
import { OperationFilter } from "../../streaming/operation/operation-filter.ts";
import { TERMINAL_STATUSES } from "../../streaming/operation/operation-status.ts";
import { OperationId } from "../schemas/positions.ts";
import { several } from "./filter-parameters.ts";
import { time, timeOf } from "./operations-query.ts";
import { prefix as idPrefix, invalidQuery, only } from "./query.ts";

/** `DELETE /api/operations`: one operation, or all that match. */
export const PurgeQuery = only({
  operation_id: Type.Optional(OperationId),
  status: several(
    Type.Enum([...TERMINAL_STATUSES]),
    `one of ${TERMINAL_STATUSES.map((status) => `"${status}"`).join(", ")}`,
  ),
  prefix: idPrefix,
  created_after: time,
  created_before: time,
});

/** What is to be purged. */
export type PurgeWanted =
  | { readonly kind: "operation"; readonly id: string }
  | {
      readonly kind: "matching";
      readonly prefix: string;
      readonly query: Omit<InstanceQuery, "pageSize" | "pageToken" | "payloads">;
    };

/** @throws ProblemError `invalid-query` for parameters that contradict, and without any */
export function purgeWanted(query: Static<typeof PurgeQuery>): PurgeWanted {
  const { operation_id, prefix = "", ...filters } = query;
  if (operation_id !== undefined) {
    const other = Object.keys(query).find((name) => name !== "operation_id");
    if (other === undefined) return { kind: "operation", id: operation_id };
    throw invalidQuery(`"operation_id" and "${other}" exclude each other.`);
  }
  // An empty prefix is no filter: every id begins with it.
  if (prefix === "" && Object.keys(filters).length === 0) {
    throw invalidQuery(
      'Name the operations to purge: by "operation_id", "status", "prefix", "created_after" or ' +
        '"created_before".',
    );
  }
  const { status = TERMINAL_STATUSES, created_after, created_before } = filters;
  const statuses = new OperationFilter({ statuses: [status].flat() }).runtimeStatuses;
  const createdFromMs = timeOf("created_after", created_after);
  const createdToMs = timeOf("created_before", created_before);
  return {
    kind: "matching",
    prefix,
    query: {
      ...(statuses && { statuses }),
      ...(prefix && { idPrefix: prefix }),
      ...(createdFromMs !== undefined && { createdFromMs }),
      ...(createdToMs !== undefined && { createdToMs }),
    },
  };
}
