import { ProblemError } from "../errors.ts";
import { checkOperationId } from "../streaming/operation-id.ts";

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

class TooManyOperationsError extends ProblemError {
  constructor(most: number) {
    const detail = `One stream carries at most ${most} operations. Open another one for more.`;
    super("invalid-query", 400, detail);
  }
}
