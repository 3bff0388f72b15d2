import { isDeepStrictEqual } from "node:util";

/** Longest value that a report quotes, in characters. */
const MAX_SHOWN = 160;

/** The server does not do what the protocol promises. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** A check cannot be made at this server; the message says why. */
export class Skipped extends Error {
  override readonly name = "Skipped";
}

/** @throws Failure */
export function expect(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Failure(message);
}

/** @throws Failure */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  expect(isDeepStrictEqual(actual, expected), `${what}: ${show(actual)}, not ${show(expected)}`);
}

/** A value as one line of a report. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
