import { InvalidOperationIdError } from "../../problems.ts";

/** Durable Task Scheduler's limits for instance ids. */
const OPERATION_ID = /^(?!@)[\x20-\x7e]{1,100}$/;

/** Returns `id`. @throws InvalidOperationIdError before any scheduler could refuse it */
export function checkOperationId(id: unknown): string {
  if (typeof id === "string" && OPERATION_ID.test(id)) return id;
  throw new InvalidOperationIdError();
}
