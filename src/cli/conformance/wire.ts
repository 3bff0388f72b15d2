import { expect, expectEqual, show } from "./expect.ts";

/**
 * Shapes as the server claims them, apart from those of server and client: checks share no code with what they
 * check. What matters is verified below and in the checks.
 */
export interface Document {
  readonly operation_id: string;
  readonly status: string;
  readonly created_at: string;
  readonly last_updated: string;
  readonly cursor: string;
  readonly [key: string]: unknown;
}

export interface Problem {
  readonly type: string;
  readonly status: number;
  readonly [member: string]: unknown;
}

/** An event of a stream, or a frame of a WebSocket. */
export interface Message {
  readonly type: string;
  readonly sub?: string;
  readonly operation_id?: string;
  readonly operation?: Document;
  readonly problem?: Problem;
  readonly resumed?: boolean;
  readonly changed?: readonly string[];
  readonly reason?: string;
  readonly cursor?: string;
  readonly seq?: number;
  readonly [key: string]: unknown;
}

const ACTIVE: readonly unknown[] = ["PENDING", "RUNNING", "SUSPENDED"];
const TERMINAL: readonly unknown[] = ["Completed", "Failed", "TERMINATED", "CANCELED"];
const CURSOR = /^[0-9a-z.]{1,64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Keys that differ between states and are not listed in `changed`. */
const UNLISTED: readonly string[] = ["cursor", "last_updated"];

export function isTerminal({ status }: Document): boolean {
  return TERMINAL.includes(status);
}

/** @see PROTOCOL.md, section 1 */
export function expectDocument(document: Document | undefined, id?: string): Document {
  expect(document, "there is no operation document");
  const { operation_id, name, status, cursor, created_at, last_updated } = document;
  if (id !== undefined) expectEqual("operation_id", operation_id, id);
  expect(typeof name === "string" && name !== "", `name is ${show(name)}`);
  expect(ACTIVE.includes(status) || TERMINAL.includes(status), `status is ${show(status)}`);
  expect(typeof cursor === "string" && CURSOR.test(cursor), `cursor is ${show(cursor)}`);
  for (const [key, time] of Object.entries({ created_at, last_updated })) {
    expect(isTime(time), `${key} is ${show(time)}, not a time in UTC with milliseconds`);
  }
  const mayHaveResult = status === "Completed" || status === "TERMINATED";
  expect(mayHaveResult || !("result" in document), `a ${status} document has a result`);
  expectEqual(`an error in a ${status} document`, "error" in document, status === "Failed");
  return document;
}

export function isTime(value: unknown): boolean {
  return typeof value === "string" && TIME.test(value);
}

/** The problem of this kind, as RFC 9457 has it. @see PROTOCOL.md, section 3, Errors */
export function expectProblem(problem: Problem | undefined, status: number, slug: string): void {
  expectEqual("type of the problem", problem?.type, `urn:dts-push:problem:${slug}`);
  expectEqual("status in the problem", problem?.status, status);
  for (const member of ["title", "detail"]) {
    expect(typeof problem?.[member] === "string", `the problem has no ${member}`);
  }
}

/** C2 and C3 of one connection, and what `update` says of changes, for the messages about one operation. */
export function expectStates(messages: readonly Message[], id: string): void {
  let before: Document | undefined;
  for (const { type, operation, changed } of messages.filter((each) => each.operation)) {
    const state = expectDocument(operation, id);
    expectEqual("type of a state's message", type, before ? "update" : "snapshot");
    if (before) {
      expect(state.cursor !== before.cursor, `one state came twice: ${state.cursor} (C2)`);
      expect(!isTerminal(before), "a state came after the terminal one (C3)");
      expect(state.last_updated >= before.last_updated, "a state came after a later one (C2)");
      expectEqual("changed", [...(changed ?? [])].sort(), differences(before, state));
    }
    before = state;
  }
  expect(before, "no state came");
}

function differences(before: Document, after: Document): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const differs = (key: string) => JSON.stringify(before[key]) !== JSON.stringify(after[key]);
  return keys.filter((key) => !UNLISTED.includes(key) && differs(key));
}
