import type { Problem } from "./wire.ts";

/** The server has refused something. `problem` says what, and what to do. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  /** Last part of the problem's type, such as `operation-not-found`. */
  readonly slug: string;
  readonly status: number;
  /** The server wants no further attempt before this time is over. */
  readonly retryAfterMs: number;

  constructor(problem: Problem, retryAfterMs = 0) {
    super(problem.detail);
    this.problem = problem;
    this.slug = problem.type.slice(problem.type.lastIndexOf(":") + 1);
    this.status = problem.status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. @see PROTOCOL.md, section 3, Errors */
  get mayRepeat(): boolean {
    if (this.slug === "scheduler-rejected") return false;
    return this.status >= 500 ? this.status !== 501 : this.status === 408 || this.status === 429;
  }
}

/** An answer that is no success, as an error; also one that a proxy wrote. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const { status, statusText: title } = response;
  const retryAfterMs = 1000 * Number(response.headers.get("retry-after")) || 0;
  const problem = await response.json().catch(() => undefined);
  if (typeof problem?.type === "string") {
    return new ProblemError({ ...problem, status }, retryAfterMs);
  }
  const detail = `The server answered ${status} ${title}`.trim();
  return new ProblemError({ type: "about:blank", title, status, detail }, retryAfterMs);
}
