import { type Static, type TProperties, Type } from "typebox";
import { ProblemError } from "../../problems.ts";
import type { FeedWanted } from "../../streaming/feed/feed-wanted.ts";
import { OPERATION_ID_PREFIX } from "../../streaming/operation/operation-id.ts";
import { type StepsWanted, stepsWanted } from "../../streaming/steps/steps-wanted.ts";
import { OperationId } from "../schemas/positions.ts";
import { EventName } from "../schemas/text.ts";
import { filterOf, filterParameters } from "./filter-parameters.ts";

/** A query with these parameters and no others, so that a misspelt one is not silently ignored. */
export function only<T extends TProperties>(parameters: T) {
  return Type.Object(parameters, { additionalProperties: false });
}

/** Each description completes "must be …" in the detail of a problem. */
const operation_ids = Type.Optional(
  Type.Union([OperationId, Type.Array(OperationId)], { description: "operation ids" }),
);
export const prefix = Type.Optional(
  Type.String({
    pattern: OPERATION_ID_PREFIX.source,
    description: "the beginning of an operation id, up to 100 printable ASCII characters",
  }),
);
const detail = Type.Optional(
  Type.Enum(["status", "steps"], { description: '"status" or "steps"' }),
);
const include = Type.Optional(Type.Enum(["payloads"], { description: '"payloads"' }));
const includeOfStatus = Type.Optional(
  Type.Enum(["input", "stack", "input,stack", "stack,input"], {
    description: '"input", "stack" or "input,stack"',
  }),
);
const after = Type.Optional(Type.String({ description: "one id that the stream has sent" }));
/** Of several operations, also one cursor for each: in their order, empty for none. */
const positions = Type.Optional(
  Type.Union([Type.String(), Type.Array(Type.String())], {
    description: "one id that the stream has sent, or a cursor for each operation_id",
  }),
);
const wait = Type.Optional(
  Type.String({
    pattern: "^([1-9]|[1-5]\\d|60)$",
    description: "a number of seconds from 1 to 60",
  }),
);
/** Read by the authentication, before the query is validated. */
const access_token = Type.Optional(Type.String({ description: "one stream token" }));
const afterSeq = Type.Optional(
  Type.String({ pattern: "^\\d{1,9}$", description: 'the "seq" of a step, a whole number' }),
);

/** The operation that a path names. */
export const OperationPath = Type.Object({ id: OperationId });

export const NoQuery = only({});
export const OneOperationQuery = only({ operation_id: OperationId });
export const OneEventQuery = only({ operation_id: OperationId, name: EventName });
export const OperationStatusQuery = only({ include: includeOfStatus });
export const OperationEventsQuery = only({ detail, include, after, wait, access_token });
export const EventsQuery = only({
  operation_id: operation_ids,
  prefix,
  ...filterParameters,
  detail,
  include,
  after: positions,
  wait,
  access_token,
});
export const OperationHistoryQuery = only({ after: afterSeq, include });
export const HistoryQuery = only({ operation_id: OperationId, after: afterSeq, include });
export const WebSocketQuery = only({ operation_id: operation_ids, access_token });

/**
 * The operations that a query names, in order and each once.
 * @throws ProblemError `invalid-query` for more than `most`
 */
export function operationIdsOf(
  { operation_id: named = [] }: Static<typeof WebSocketQuery>,
  most: number,
): string[] {
  const ids = [...new Set([named].flat())];
  if (ids.length > most) {
    throw invalidQuery(`A connection carries at most ${most} operations. Open another one.`);
  }
  return ids;
}

/** What a query asks of an operation's steps. @throws ProblemError `invalid-query` */
export function stepsOf({
  detail,
  include,
}: Pick<Static<typeof OperationEventsQuery>, "detail" | "include">) {
  try {
    return stepsWanted(detail, include);
  } catch (error) {
    throw invalidQuery((error as Error).message);
  }
}

/** Parameters that only feeds have. */
const FEED_PARAMETERS = ["prefix", "status", "name", "tag"] as const;

/** What `/api/events` is asked for. */
export type EventsWanted =
  | { readonly kind: "operation"; readonly id: string; readonly steps: StepsWanted | undefined }
  | {
      readonly kind: "operations";
      readonly ids: readonly string[];
      /** Where the client is, by operation, as it sent it. */
      readonly cursors: ReadonlyMap<string, string>;
    }
  | ({ readonly kind: "feed" } & FeedWanted);

/** @throws ProblemError `invalid-query` for parameters that contradict */
export function eventsWanted(query: Static<typeof EventsQuery>, most: number): EventsWanted {
  const ids = operationIdsOf(query, most);
  const steps = stepsOf(query);
  const cursors = cursorsOf(query);
  const ofFeed = FEED_PARAMETERS.find((name) => query[name] !== undefined);
  if (query.detail !== undefined) {
    const [id] = ids;
    if (id === undefined || ids.length > 1 || ofFeed) {
      throw invalidQuery(
        `"detail" needs exactly one "operation_id", and no "${ofFeed ?? "prefix"}".`,
      );
    }
    return { kind: "operation", id, steps };
  }
  if (ids.length === 0) {
    return { kind: "feed", prefix: query.prefix ?? "", filter: filterOf(query) };
  }
  if (ofFeed) throw invalidQuery(`"operation_id" and "${ofFeed}" exclude each other.`);
  return { kind: "operations", ids, cursors };
}

/** The cursors of several operations. @throws ProblemError `invalid-query` where there is not one for each */
function cursorsOf({ operation_id = [], after }: Static<typeof EventsQuery>): Map<string, string> {
  const named = [operation_id].flat();
  const cursors = after === undefined ? [] : [after].flat();
  if (cursors.length > 1 && cursors.length !== named.length) {
    throw invalidQuery('"after" must be given once, or once for each "operation_id".');
  }
  // One alone may be a watermark: read as a cursor, it counts as none.
  return new Map(named.map((id, index) => [id, cursors[index] ?? ""]));
}

export function invalidQuery(detail: string): ProblemError {
  return new ProblemError("invalid-query", 400, detail);
}
