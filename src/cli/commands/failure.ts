import { inspect } from "node:util";
import { ProblemError } from "../../../client/client.ts";
import { NotCheckableError } from "../conformance/run.ts";

/** Why the server did not do it, in one line; a fault of this program with all that is known of it. */
export function describeFailure(error: unknown, url: string): string {
  if (error instanceof ProblemError) {
    const { message, slug, problem } = error;
    return problem.type === "about:blank" ? `${message} (${url})` : `${message} (${slug})`;
  }
  // What fetch throws when there is no answer.
  if (error instanceof TypeError && error.cause instanceof Error) {
    const { code, message } = error.cause as NodeJS.ErrnoException;
    return `Cannot reach ${url}: ${message || code}`;
  }
  if (error instanceof NotCheckableError) return error.message;
  if (error instanceof SyntaxError) return `${url} is not a dts-push server.`;
  return inspect(error);
}
