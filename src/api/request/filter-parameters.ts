import { type Static, type TSchema, Type } from "typebox";
import {
  FILTER_TAG,
  MAX_FILTER_VALUES,
  OperationFilter,
} from "../../streaming/operation/operation-filter.ts";
import { OPERATION_STATUSES } from "../../streaming/operation/operation-status.ts";

/** A parameter that may be repeated. */
export function several<T extends TSchema>(value: T, description: string) {
  return Type.Optional(
    Type.Union([value, Type.Array(value, { maxItems: MAX_FILTER_VALUES })], { description }),
  );
}

/** What lists and feeds filter by. Descriptions complete "must be …" in the detail of a problem. */
export const filterParameters = {
  status: several(
    Type.Enum([...OPERATION_STATUSES]),
    `one of ${OPERATION_STATUSES.map((status) => `"${status}"`).join(", ")}`,
  ),
  name: several(Type.String({ minLength: 1 }), "the name of an orchestration"),
  tag: several(Type.String({ pattern: FILTER_TAG.source }), 'a tag as "key:value"'),
};

const FilterQuery = Type.Object(filterParameters);

/** The filter that a query names. */
export function filterOf({
  status = [],
  name = [],
  tag = [],
}: Static<typeof FilterQuery>): OperationFilter {
  return new OperationFilter({
    statuses: [status].flat(),
    names: [name].flat(),
    tags: [tag].flat(),
  });
}
