import { isDeepStrictEqual } from "node:util";
import type { Recording } from "./recording.ts";
import type { Server } from "./server.ts";

/** An id that no operation has. */
export const UNKNOWN = "conformance-unknown-operation";

/** What the checks are made on. */
export interface Subject {
  readonly server: Server;
  /** An operation that was started and followed to its end. @throws SkipError if none could be */
  recording(): Recording;
}

/** One promise of PROTOCOL.md. */
export interface Check {
  readonly name: string;
  /** @throws BrokenPromiseError or SkipError */
  run(subject: Subject): Promise<void>;
}

export function check(name: string, run: Check["run"]): Check {
  return { name, run };
}

/** The server does not do what PROTOCOL.md says. */
export class BrokenPromiseError extends Error {
  override readonly name = "BrokenPromiseError";
}

/** It cannot be checked here. */
export class SkipError extends Error {
  override readonly name = "SkipError";
}

/** @throws BrokenPromiseError unless `condition` holds */
export function must(condition: unknown, otherwise: string): asserts condition {
  if (!condition) throw new BrokenPromiseError(otherwise);
}

/** @throws BrokenPromiseError that names both */
export function mustBe(what: string, actual: unknown, expected: unknown): void {
  const same = isDeepStrictEqual(actual, expected);
  must(same, `${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** Whether an answer is this problem document. @see PROTOCOL.md, section 3, Errors */
export async function mustBeProblem(
  response: Response,
  status: number,
  slug: string,
): Promise<Record<string, unknown>> {
  mustBe("the status", response.status, status);
  const type = response.headers.get("content-type") ?? "";
  must(type.startsWith("application/problem+json"), `the content type is ${type}`);
  const problem = (await response.json()) as Record<string, unknown>;
  mustBe("the type", problem.type, `urn:dts-push:problem:${slug}`);
  mustBe("its status", problem.status, status);
  must(typeof problem.title === "string" && typeof problem.detail === "string", "it says nothing");
  return problem;
}
