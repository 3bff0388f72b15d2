/** The options of a subscription to steps. */
export interface StepsWanted {
  /** Whether steps include inputs and outputs. */
  readonly payloads: boolean;
}

/** `detail` or `include` is not possible; the message says what is. */
export class StepsOptionError extends Error {
  override readonly name = "StepsOptionError";
}

/**
 * Reads what a client asks for, by `detail` and `include` of a query or a message.
 * @returns undefined for the status alone
 * @throws StepsOptionError
 */
export function stepsWanted(
  detail: unknown = "status",
  include?: unknown,
): StepsWanted | undefined {
  if (detail !== "status" && detail !== "steps") {
    throw new StepsOptionError('"detail" must be "status" or "steps", or be left out.');
  }
  if (include !== undefined && include !== "payloads") {
    throw new StepsOptionError('"include" must be "payloads", or be left out.');
  }
  if (detail === "steps") return { payloads: include === "payloads" };
  if (include !== undefined) throw new StepsOptionError('"include=payloads" needs "detail=steps".');
  return undefined;
}
