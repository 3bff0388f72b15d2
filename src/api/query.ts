import { ProblemError } from "../errors.ts";
import { checkOperationId } from "../streaming/operation-id.ts";
import type { StepsWanted } from "../streaming/steps-view.ts";

/** The operation that a path names. @throws InvalidOperationIdError */
export function operationIdInPath(params: unknown): string {
  return checkOperationId((params as { id: string }).id);
}

/**
 * The one operation that a query names, for ids that a path cannot carry.
 * @throws InvalidOperationIdError, NotOneOperationError
 */
export function operationIdOf(query: unknown): string {
  const { operation_id: id } = query as { operation_id?: string | string[] };
  if (typeof id !== "string") throw new NotOneOperationError();
  return checkOperationId(id);
}

/**
 * The operations that a query names as `operation_id`, in order and each once.
 * @throws InvalidOperationIdError, TooManyOperationsError
 */
export function operationIdsOf(query: unknown, most: number): string[] {
  const { operation_id: named = [] } = query as { operation_id?: string | string[] };
  const ids = [...new Set([named].flat().map(checkOperationId))];
  if (ids.length > most) throw new TooManyOperationsError(most);
  return ids;
}

/** The id prefix that a feed is narrowed to; "" for all. @throws InvalidPrefixError */
export function prefixOf(query: unknown): string {
  const { prefix = "" } = query as { prefix?: string | string[] };
  if (typeof prefix === "string" && /^(?!@)[\x20-\x7e]{0,100}$/.test(prefix)) return prefix;
  throw new InvalidPrefixError();
}

/** Whether `detail=steps` is asked for, and with what. @throws InvalidDetailError */
export function stepsWanted(query: unknown): StepsWanted | undefined {
  const { detail = "status", include } = query as Record<string, unknown>;
  if (detail !== "status" && detail !== "steps") throw new InvalidDetailError();
  const payloads = payloadsWanted({ include });
  return detail === "steps" ? { payloads } : undefined;
}

/** Whether `include=payloads` is asked for. @throws InvalidDetailError */
export function payloadsWanted(query: unknown): boolean {
  const { include } = query as Record<string, unknown>;
  if (include !== undefined && include !== "payloads") throw new InvalidDetailError();
  return include === "payloads";
}

/** The `seq` behind which steps are wanted; 0 for all. @throws InvalidSequenceError */
export function sequenceAfter(query: unknown): number {
  const { after = "0" } = query as Record<string, unknown>;
  if (typeof after === "string" && /^\d{1,9}$/.test(after)) return Number(after);
  throw new InvalidSequenceError();
}

class NotOneOperationError extends ProblemError {
  constructor() {
    super("invalid-query", 400, 'Name exactly one operation as "operation_id" in the query.');
  }
}

class InvalidSequenceError extends ProblemError {
  constructor() {
    super("invalid-query", 400, '"after" is the "seq" of a step: a whole number.');
  }
}

class InvalidDetailError extends ProblemError {
  constructor() {
    const detail = '"detail" is "status" or "steps"; "include" is "payloads" or left out.';
    super("invalid-query", 400, detail);
  }
}

class InvalidPrefixError extends ProblemError {
  constructor() {
    const detail =
      "A prefix is the beginning of an operation id: up to 100 printable ASCII characters.";
    super("invalid-query", 400, detail);
  }
}

class TooManyOperationsError extends ProblemError {
  constructor(most: number) {
    const detail = `One stream carries at most ${most} operations. Open another one for more.`;
    super("invalid-query", 400, detail);
  }
}
