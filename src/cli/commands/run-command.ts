import { constants } from "node:os";
import { parseArgs } from "node:util";
import { createClient, type Transport } from "../../../client/client.ts";
import { printable } from "../terminal/text.ts";
import {
  type Command,
  EXIT,
  type Options,
  type Session,
  UsageError,
  type Values,
} from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { describeFailure } from "./failure.ts";
import { COMMON_OPTIONS, HELP, helpOf } from "./help.ts";
import { version } from "./version.ts";

const DEFAULT_URL = "http://localhost:8000";
const TRANSPORTS: readonly string[] = ["auto", "websocket", "sse", "long-poll"];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Code of a program that writes to a pipe which nobody reads any more. */
const PIPE_CLOSED = 128 + constants.signals.SIGPIPE;

/** Runs a command that uses a server. @returns the exit code */
export async function runCommand(
  name: string | undefined,
  args: readonly string[],
): Promise<number> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") report(`cannot write: ${error.message}`);
    process.exit(error.code === "EPIPE" ? PIPE_CLOSED : EXIT.refused);
  });
  switch (name) {
    case "--help":
    case "-h":
    case "help":
      return print(HELP);
    case "--version":
      return print(`${version()}\n`);
    case undefined:
      process.stderr.write(HELP);
      return EXIT.refused;
  }
  const command = COMMANDS.get(name);
  if (!command) {
    report(`There is no command ${name}. "dts-push --help" lists them.`);
    return EXIT.refused;
  }
  const stopped = new AbortController();
  let codeOfSignal: number | undefined;
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      codeOfSignal = 128 + constants.signals[signal];
      stopped.abort(new Error(`stopped by ${signal}`)); // What is on the terminal ends here.
      if (!command.endsItself) process.exit(codeOfSignal);
    });
  }
  let server = "";
  try {
    const { session, operands, values, help } = readArguments(name, command, args, stopped.signal);
    if (help) return print(helpOf(name, command));
    server = session.url.href;
    return await command.run(session, operands, values);
  } catch (error) {
    if (codeOfSignal !== undefined) return codeOfSignal;
    if (error instanceof UsageError) report(`${error.message} See "dts-push ${name} --help".`);
    else report(describeFailure(error, server));
    return EXIT.refused;
  }
}

interface Arguments {
  readonly session: Session;
  readonly operands: readonly string[];
  readonly values: Values<Options>;
  readonly help: boolean;
}

/** @throws UsageError */
function readArguments(
  name: string,
  { operands: names, options }: Command,
  args: readonly string[],
  signal: AbortSignal,
): Arguments {
  const { values, positionals } = parse(args, { ...options, ...COMMON_OPTIONS });
  const given = values as Values<Options> & { readonly help?: boolean };
  if (!given.help && positionals.length !== names.length) {
    const wanted = names.map((each) => `<${each}>`).join(" ");
    throw new UsageError(
      names.length === 0 ? `${name} takes no ${positionals[0]}.` : `${name} needs ${wanted}.`,
    );
  }
  const { DTS_PUSH_URL = "", DTS_PUSH_TOKEN = "" } = process.env;
  const url = readUrl(given.url ?? (DTS_PUSH_URL || DEFAULT_URL));
  const token = readToken(given.token ?? DTS_PUSH_TOKEN);
  const transport = readTransport(given.transport ?? "auto");
  const client = createClient({ url, transport, ...(token && { token }) });
  return {
    session: { url, token: token || undefined, client, signal },
    operands: positionals,
    values: given,
    help: given.help === true,
  };
}

function parse(args: readonly string[], options: Command["options"]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message.replaceAll("\n", " "));
  }
}

function readUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new UsageError(`The URL of the server must be http://host:port or https://host/path.`);
  }
  return url;
}

function readToken(text: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new UsageError("The token has characters that no credential has.");
}

function readTransport(text: string): Transport | "auto" {
  if (TRANSPORTS.includes(text)) return text as Transport | "auto";
  throw new UsageError(`--transport is one of ${TRANSPORTS.join(", ")}.`);
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.done;
}

function report(text: string): void {
  process.stderr.write(`dts-push: ${printable(text)}\n`);
}
