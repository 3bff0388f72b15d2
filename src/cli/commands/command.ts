import type { Client } from "../../../client/client.ts";

/** How a command ends. A signal adds its number to 128, as a shell does. */
export const EXIT = {
  /** The operation has completed, or what was asked for is done. */
  done: 0,
  /** The operation failed, or was terminated or canceled. */
  notCompleted: 1,
  /** It could not be done: usage, an unknown operation, a refusal, no server. */
  refused: 2,
} as const;

export interface Option {
  readonly type: "string" | "boolean";
  /** Whether it may be repeated. */
  readonly multiple?: true;
  /** What its value is called in the help, such as `<json>`. */
  readonly value?: string;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> = O["type"] extends "boolean"
  ? boolean
  : O extends { multiple: true }
    ? readonly string[]
    : string;

export type Values<O extends Options> = { readonly [K in keyof O]?: Value<O[K]> };

/** What a command works with. */
export interface Session {
  readonly url: URL;
  readonly token: string | undefined;
  readonly client: Client;
  /** Aborted by a signal to the process. */
  readonly signal: AbortSignal;
}

interface Definition<O extends Options> {
  /** Its required arguments, such as `id`. */
  readonly operands: readonly string[];
  readonly summary: string;
  readonly options: O;
  /** More than the summary, for its own help. */
  readonly notes?: string;
  /** It ends when the session's signal is aborted, since it has something to undo. A second signal does not wait. */
  readonly endsItself?: true;
  /** @returns the exit code */
  run(session: Session, operands: readonly string[], values: Values<O>): Promise<number>;
}

export type Command = Definition<Options>;

/** A command whose values have the types of its options. */
export function defineCommand<const O extends Options>(definition: Definition<O>): Command {
  return definition as unknown as Command;
}

/** The command line asks for something that does not exist. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError if it is not JSON */
export function parseJson(option: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--${option} is not JSON. A text needs quotes of its own: '"text"'.`);
  }
}

/** @throws UsageError if it is not a whole number within these limits */
export function parseInteger(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${option} must be a whole number from ${min} to ${max}.`);
}
