import { type Check, SkipError, type Subject } from "../conformance/check.ts";
import { HTTP_CHECKS } from "../conformance/http-checks.ts";
import { type Orchestration, type Recording, record } from "../conformance/recording.ts";
import { Server } from "../conformance/server.ts";
import { SSE_CHECKS } from "../conformance/sse-checks.ts";
import { WEBSOCKET_CHECKS } from "../conformance/websocket-checks.ts";
import { jsonLine, printable } from "../terminal/text.ts";
import { defineCommand, EXIT, parseInteger, parseJson } from "./command.ts";
import { describeFailure } from "./failure.ts";

const CHECKS: readonly Check[] = [...HTTP_CHECKS, ...SSE_CHECKS, ...WEBSOCKET_CHECKS];
const WITHIN_S = 60;
const MOST_SECONDS = 3600;

interface Outcome {
  readonly check: string;
  readonly outcome: "pass" | "fail" | "skip";
  readonly reason?: string;
}

export const conformance = defineCommand({
  operands: [],
  summary: "checks whether a server keeps the promises of dts-push.v1",
  notes: `It starts two operations, of the sample unless an orchestration is named, which remain in the task hub.
What the credential does not permit is skipped. The exit code is 1 if a check fails.`,
  options: {
    name: { type: "string", value: "<name>", help: "an orchestration that ends by itself" },
    input: { type: "string", value: "<json>", help: "its input" },
    timeout: { type: "string", value: "<s>", help: `time for it. Default: ${WITHIN_S}` },
    json: { type: "boolean", help: "one JSON object a line" },
  },
  async run({ url, token, client }, _operands, { name, input, timeout, json }) {
    const withinMs =
      1000 * (timeout === undefined ? WITHIN_S : parseInteger("timeout", timeout, 1, MOST_SECONDS));
    const server = new Server({ url, token, withinMs });
    const parsed = input === undefined ? undefined : parseJson("input", input);
    await client.caller(); // A server that is not there has broken no promise.
    const recording = await recordingOf(
      server,
      name === undefined ? undefined : { name, input: parsed },
    );
    const counts = { pass: 0, fail: 0, skip: 0 };
    for (const each of CHECKS) {
      const result = await outcomeOf(each, { server, recording }, url.href);
      counts[result.outcome] += 1;
      process.stdout.write(json ? jsonLine(result) : lineOf(result));
    }
    const { pass, fail, skip } = counts;
    if (!json) process.stdout.write(`\n${pass} passed, ${fail} failed, ${skip} skipped\n`);
    return fail === 0 ? EXIT.done : EXIT.notCompleted;
  },
});

/** What failed here fails in each check that needs it. */
async function recordingOf(
  server: Server,
  orchestration: Orchestration | undefined,
): Promise<() => Recording> {
  try {
    const recording = await record(server, orchestration);
    return () => recording;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function outcomeOf(
  { name: check, run }: Check,
  subject: Subject,
  url: string,
): Promise<Outcome> {
  try {
    await run(subject);
    return { check, outcome: "pass" };
  } catch (error) {
    if (error instanceof SkipError) return { check, outcome: "skip", reason: error.message };
    return { check, outcome: "fail", reason: reasonOf(error, url) };
  }
}

function reasonOf(error: unknown, url: string): string {
  const hasNoAnswer = error instanceof TypeError && error.cause !== undefined;
  return hasNoAnswer ? describeFailure(error, url) : (error as Error).message;
}

function lineOf({ check, outcome, reason }: Outcome): string {
  return `${outcome}  ${check}${reason ? `: ${printable(reason)}` : ""}\n`;
}
