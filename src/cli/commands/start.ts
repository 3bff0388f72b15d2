import { readFileSync } from "node:fs";
import type { Started, StartOptions } from "../../../client/client.ts";
import { jsonLine, printable } from "../terminal/text.ts";
import {
  defineCommand,
  EXIT,
  type Options,
  parseInteger,
  parseJson,
  type Session,
  UsageError,
  type Values,
} from "./command.ts";
import { WATCH_OPTIONS, watchOperation } from "./watch.ts";

const MOST_SECONDS = 86_400;
const MOST_STEPS = 1000;

const START_OPTIONS = {
  ...WATCH_OPTIONS,
  "no-watch": { type: "boolean", help: "print its id, and do not wait for its end" },
} as const satisfies Options;

export const run = defineCommand({
  operands: ["name"],
  summary: "starts an orchestration and shows it live",
  notes: "It goes on when this command is stopped.",
  options: {
    input: {
      type: "string",
      value: "<json>",
      help: "its input; @<file> or - for what a file or stdin has",
    },
    id: { type: "string", value: "<id>", help: "the id of the operation. Default: a random one" },
    "idempotency-key": {
      type: "string",
      value: "<key>",
      help: "the same key starts one operation, however often it is used",
    },
    version: { type: "string", value: "<version>", help: "of the orchestration" },
    tag: { type: "string", multiple: true, value: "<key:value>", help: "may be repeated" },
    "start-at": { type: "string", value: "<time>", help: "not before this time, in ISO 8601" },
    ...START_OPTIONS,
  },
  async run(session, [name = ""], values) {
    const { input, id, version, tag } = values;
    const key = values["idempotency-key"];
    const options: StartOptions = {
      signal: session.signal,
      ...(id !== undefined && { operation_id: id }),
      ...(key !== undefined && { idempotencyKey: key }),
      ...(version !== undefined && { version }),
      ...(tag && { tags: readTags(tag) }),
      ...(values["start-at"] !== undefined && { start_at: values["start-at"] }),
    };
    const parsed = input === undefined ? undefined : parseJson("input", readInput(input));
    return follow(session, await session.client.start(name, parsed, options), values);
  },
});

export const startOperation = defineCommand({
  operands: [],
  summary: "starts the sample's orchestration and shows it live",
  options: {
    "processing-time": { type: "string", value: "<s>", help: "how long it takes. Default: 5" },
    "progress-reports": { type: "string", value: "<n>", help: "how often it reports progress" },
    id: { type: "string", value: "<id>", help: "the id of the operation. Default: a random one" },
    ...START_OPTIONS,
  },
  async run(session, _operands, values) {
    const { "processing-time": seconds, "progress-reports": reports, id } = values;
    const started = await session.client.startSample({
      ...(id !== undefined && { operation_id: id }),
      ...(seconds !== undefined && {
        processing_time: parseInteger("processing-time", seconds, 0, MOST_SECONDS),
      }),
      ...(reports !== undefined && {
        steps: parseInteger("progress-reports", reports, 1, MOST_STEPS),
      }),
    });
    return follow(session, started, values);
  },
});

async function follow(
  session: Session,
  started: Started,
  values: Values<typeof START_OPTIONS>,
): Promise<number> {
  const { operation_id } = started;
  if (values["no-watch"]) {
    process.stdout.write(values.json ? jsonLine(started) : `${printable(operation_id)}\n`);
    return EXIT.done;
  }
  process.stderr.write(`started ${printable(operation_id)}\n`);
  return watchOperation(session, operation_id, values);
}

function readInput(input: string): string {
  if (input !== "-" && !input.startsWith("@")) return input;
  try {
    return readFileSync(input === "-" ? process.stdin.fd : input.slice(1), "utf8");
  } catch (error) {
    throw new UsageError(`--input cannot be read: ${(error as Error).message}.`);
  }
}

function readTags(tags: readonly string[]): Record<string, string> {
  const entries = tags.map((tag) => {
    const [, key, value] = /^([^:]+):(.*)$/s.exec(tag) ?? [];
    if (key === undefined || value === undefined) throw new UsageError("--tag is key:value.");
    return [key, value];
  });
  return Object.fromEntries(entries);
}
