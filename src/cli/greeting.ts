import type { SchedulerTarget } from "../dts/connection/target.ts";
import { describeFailure } from "../dts/scheduler-error.ts";

/** What the greeting depends on. */
export interface Greeting {
  readonly url: string;
  readonly sample: boolean;
  /** Whether callers need a credential. */
  readonly guarded: boolean;
  /** Whether this `npm start` left out the sample's worker, because the scheduler may serve others. */
  readonly workerLeftOut: boolean;
}

/** Printed once the API can be used. The lines can be pasted into a shell. */
export function readyText({ url, sample, guarded, workerLeftOut }: Greeting): string {
  const curl = guarded ? 'curl -H "Authorization: Bearer $KEY"' : "curl";
  return `
  dts-push is ready: open ${url}/ or try${guarded ? ", with an API key or a token in KEY," : ""}

${sample ? startAndFollow(curl, url) : `  ${curl} -N ${url}/api/events\n`}${sample && workerLeftOut ? WORKER_LEFT_OUT : ""}
`;
}

/** Printed when the API listens and its scheduler cannot be used yet. */
export function waitingText(
  url: string,
  { address, taskHub }: SchedulerTarget,
  error: unknown,
): string {
  const failure = `${describeFailure(error)} (task hub "${taskHub}", ${(error as Error).message})`;
  return `
  dts-push listens on ${url}/ and waits for the scheduler: ${address} ${failure}.

`;
}

function startAndFollow(curl: string, url: string): string {
  return `  ID=$(${curl} -s -X POST ${url}/api/start-operation -H 'content-type: application/json' -d '{"processing_time": 10}' | sed 's/.*"operation_id":"\\([^"]*\\)".*/\\1/')
  ${curl} -N ${url}/api/operations/$ID/events
`;
}

const WORKER_LEFT_OUT = `
  The sample's worker is not started, because this scheduler may serve other workers as well, and
  not every scheduler gives a worker only the work that it asks for. What the sample starts stays
  PENDING without it. To run it too, with the same settings: npm run worker
  To hide the sample: SAMPLE=off
`;
