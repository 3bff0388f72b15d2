import { InvalidOperationIdError } from "../../problems.ts";

/** Durable Task Scheduler's limits for instance ids. */
export const OPERATION_ID = /^(?!@)[\x20-\x7e]{1,100}$/;

/** What an operation id can begin with. */
export const OPERATION_ID_PREFIX = /^(?!@)[\x20-\x7e]{0,100}$/;

/** Whether this can be the id of an operation. */
export function isOperationId(id: unknown): id is string {
  return typeof id === "string" && OPERATION_ID.test(id);
}

/** Returns `id`. @throws InvalidOperationIdError before any scheduler could refuse it */
export function checkOperationId(id: unknown): string {
  if (isOperationId(id)) return id;
  throw new InvalidOperationIdError();
}
