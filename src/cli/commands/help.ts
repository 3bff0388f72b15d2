import type { Command, Options } from "./command.ts";
import { COMMANDS } from "./commands.ts";

export const COMMON_OPTIONS = {
  url: {
    type: "string",
    value: "<url>",
    help: "the server. Default: DTS_PUSH_URL, or http://localhost:8000",
  },
  token: {
    type: "string",
    value: "<token>",
    help: "a key or token. Default: DTS_PUSH_TOKEN, which other users cannot see",
  },
  help: { type: "boolean", help: "this text" },
} as const satisfies Options;

const EXIT_CODES = `Exit code: 0 if the operation has completed, or what was asked for is done; 1 if it failed, or was
terminated or canceled; 2 if it could not be done: wrong usage, an unknown operation, no server.
`;

/** Width of the first column. */
const NAME_WIDTH = 26;

export const HELP = `Usage: dts-push <command> [options]

Servers, with settings from the environment ("dts-push start --help" lists them)
${row("start", "the API, and an embedded scheduler with the sample's worker if none is named")}
${row("api, worker, scheduler", "one of these parts")}

Commands to a server
${[...COMMANDS].map(([name, each]) => row(usageOf(name, each), each.summary)).join("\n")}

"dts-push <command> --help" lists its options.
${EXIT_CODES}`;

export function helpOf(name: string, command: Command): string {
  const { summary, notes, options } = command;
  const rows = Object.entries({ ...options, ...COMMON_OPTIONS } as Options).map(
    ([option, { value, help }]) => row(`--${option}${value ? ` ${value}` : ""}`, help),
  );
  const usage = `Usage: dts-push ${usageOf(name, command)} [options]`;
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  const paragraphs = [usage, sentence, ...(notes ? [notes] : []), rows.join("\n"), EXIT_CODES];
  return paragraphs.join("\n\n");
}

function usageOf(name: string, { operands }: Command): string {
  return [name, ...operands.map((each) => `<${each}>`)].join(" ");
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(NAME_WIDTH)}${text}`;
}
