import { FILTER_TAG, MAX_FILTER_VALUES, OperationFilter } from "../operation/operation-filter.ts";
import { OPERATION_ID_PREFIX } from "../operation/operation-id.ts";
import { OPERATION_STATUSES, type OperationStatus } from "../operation/operation-status.ts";

/** Which operations a client wants to follow. */
export interface FeedWanted {
  /** Those whose ids begin with this. */
  readonly prefix: string;
  /** Of those, the ones that match. */
  readonly filter: OperationFilter;
}

/** A feed is not possible; the message says what is. */
export class FeedOptionError extends Error {
  override readonly name = "FeedOptionError";
}

/**
 * Reads the feed that a message asks for: `{"status"?, "name"?, "prefix"?, "tag"?}`, each a text or, but for
 * the prefix, a list of up to 20.
 * @throws FeedOptionError
 */
export function feedWanted(feed: object): FeedWanted {
  const { prefix = "", status, name, tag, ...others } = feed as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new FeedOptionError(
      `A feed has no "${unknown}": only "prefix", "status", "name", "tag".`,
    );
  }
  if (typeof prefix !== "string" || !OPERATION_ID_PREFIX.test(prefix)) {
    throw new FeedOptionError(
      '"prefix" must be the beginning of an operation id, up to 100 printable ASCII characters.',
    );
  }
  const filter = new OperationFilter({
    statuses: valuesOf("status", status, isStatus, `one of ${OPERATION_STATUSES.join(", ")}`),
    names: valuesOf("name", name, isText, "the name of an orchestration"),
    tags: valuesOf("tag", tag, isTag, 'a tag as "key:value"'),
  });
  return { prefix, filter };
}

/** @param what it must be */
function valuesOf<T>(
  key: string,
  given: unknown,
  isPossible: (value: unknown) => value is T,
  what: string,
): readonly T[] {
  const values: unknown[] = given === undefined ? [] : [given].flat();
  if (values.length <= MAX_FILTER_VALUES && values.every(isPossible)) return values;
  throw new FeedOptionError(`"${key}" must be ${what}, or a list of up to ${MAX_FILTER_VALUES}.`);
}

function isStatus(value: unknown): value is OperationStatus {
  return OPERATION_STATUSES.includes(value as OperationStatus);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTag(value: unknown): value is string {
  return isText(value) && FILTER_TAG.test(value);
}
