import { checkOperationId } from "../streaming/operation-id.ts";

/** The operations that a query names as `operation_id`, in order. @throws InvalidOperationIdError */
export function operationIdsOf(query: unknown): string[] {
  const { operation_id: ids = [] } = query as { operation_id?: string | string[] };
  return [ids].flat().map(checkOperationId);
}
