import { checkConformance, type Outcome, type Result } from "../conformance/run.ts";
import { jsonLine, printable } from "../terminal/text.ts";
import { defineCommand, EXIT, parseInteger, parseJson } from "./command.ts";

const MOST_SECONDS = 3600;
const WORDS = { pass: "pass", fail: "FAIL", skip: "skip" } as const;

export const conformance = defineCommand({
  operands: [],
  summary: "checks whether a server does what docs/PROTOCOL.md promises",
  notes: `It starts operations whose ids begin with "conformance-", and purges them at its end. What needs a credential, a
worker or a scope that is not there is skipped. Exit code: 1 if a check failed.`,
  options: {
    name: {
      type: "string",
      value: "<name>",
      help: "an orchestration to start, which ends by itself. Default: the sample's",
    },
    input: { type: "string", value: "<json>", help: "its input" },
    only: { type: "string", value: "<text>", help: "only checks whose names contain this" },
    timeout: { type: "string", value: "<s>", help: "time for each check. Default: 30" },
    json: { type: "boolean", help: "one result a line" },
  },
  endsItself: true,
  async run({ url, token, signal }, _operands, { name, input, only, timeout, json }) {
    const orchestration = {
      ...(name !== undefined && { name }),
      ...(input !== undefined && { input: parseJson("input", input) }),
    };
    const seconds = timeout && parseInteger("timeout", timeout, 1, MOST_SECONDS);
    const results = checkConformance({
      url,
      token,
      signal,
      orchestration,
      only,
      ...(seconds && { timeoutMs: 1000 * seconds }),
    });
    const count: Record<Outcome, number> = { pass: 0, fail: 0, skip: 0 };
    for await (const result of results) {
      count[result.outcome] += 1;
      process.stdout.write(json ? jsonLine(result) : `${lineOf(result)}\n`);
    }
    if (!json) {
      process.stdout.write(`${count.pass} passed, ${count.fail} failed, ${count.skip} skipped\n`);
    }
    return count.fail === 0 ? EXIT.done : EXIT.notCompleted;
  },
});

function lineOf({ name, outcome, reason }: Result): string {
  return printable(`${WORDS[outcome]}  ${name}${reason ? `: ${reason}` : ""}`);
}
