import type { Client, OperationDocument, StepsItem } from "../../../client/client.ts";
import { jsonOutput, lineOutput } from "../terminal/lines.ts";
import { terminalOutput } from "../terminal/terminal-output.ts";
import type { WatchOutput } from "../terminal/watch-output.ts";
import { defineCommand, EXIT, type Options, type Session, type Values } from "./command.ts";

/** How an operation is shown: of each command that watches one. */
export const WATCH_OPTIONS = {
  steps: { type: "boolean", help: "each step of its history as well" },
  json: { type: "boolean", help: "one JSON object a line" },
  transport: {
    type: "string",
    value: "<transport>",
    help: "websocket, sse or long-poll. Default: the first that works",
  },
} as const satisfies Options;

export const watch = defineCommand({
  operands: ["id"],
  summary: "shows an operation live, to its end",
  notes: `A line that is rewritten in place on a terminal, and a line for each state elsewhere. A connection that
breaks is made again, and nothing is lost.`,
  options: WATCH_OPTIONS,
  run: (session, [id = ""], values) => watchOperation(session, id, values),
});

/** Shows an operation to its end. @returns the exit code */
export async function watchOperation(
  { client, signal }: Session,
  id: string,
  values: Values<typeof WATCH_OPTIONS>,
): Promise<number> {
  // Once, so that a server that is not there is reported. Later it is waited for.
  const present = await client.get(id);
  if (present.operation_id !== id) throw new SyntaxError("another document");
  const output = createOutput(values);
  signal.addEventListener("abort", () => output.end());
  let last: OperationDocument | undefined;
  try {
    const options = { signal, onState: output.connection };
    const items = values.steps
      ? client.watchSteps(id, options)
      : statesOf(client.watch(id, options));
    for await (const item of items) {
      if (item.type === "operation") last = item.operation;
      output.item(item);
    }
  } finally {
    output.end();
  }
  return last?.status === "Completed" ? EXIT.done : EXIT.notCompleted;
}

async function* statesOf(states: ReturnType<Client["watch"]>): AsyncGenerator<StepsItem> {
  for await (const operation of states) {
    yield { type: "operation", operation, cursor: operation.cursor };
  }
}

function createOutput({ json, steps }: Values<typeof WATCH_OPTIONS>): WatchOutput {
  const { stdout, stderr } = process;
  if (json) return jsonOutput(stdout, stderr, steps === true);
  return stdout.isTTY && process.env.TERM !== "dumb"
    ? terminalOutput(stdout)
    : lineOutput(stdout, stderr);
}
