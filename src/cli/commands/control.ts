import type { Client, OperationDocument } from "../../../client/client.ts";
import { jsonLine, printable } from "../terminal/text.ts";
import { defineCommand, EXIT, type Options, parseJson } from "./command.ts";

const JSON_OPTION = {
  json: { type: "boolean", help: "what the server answers, as JSON" },
} as const satisfies Options;
const REASON = {
  reason: { type: "string", value: "<text>", help: "for the history" },
  ...JSON_OPTION,
} as const satisfies Options;

export const suspend = simpleVerb("suspend", "suspends an active operation");
export const resume = simpleVerb("resume", "resumes a suspended operation");
export const rewind = simpleVerb("rewind", "continues a failed operation from where it failed");

export const terminate = defineCommand({
  operands: ["id"],
  summary: "ends an active operation",
  options: {
    recursive: { type: "boolean", help: "its sub-orchestrations as well" },
    ...REASON,
  },
  async run({ client }, [id = ""], { reason, recursive = false, json }) {
    const body = { recursive, ...(reason !== undefined && { reason }) };
    return accepted("terminate", await client.terminate(id, body), json);
  },
});

export const restart = defineCommand({
  operands: ["id"],
  summary: "runs a terminal operation again, with its input",
  options: {
    "new-id": { type: "boolean", help: "beside it, under an id that the scheduler chooses" },
    ...JSON_OPTION,
  },
  async run({ client }, [id = ""], { "new-id": new_id = false, json }) {
    const started = await client.restart(id, { new_id });
    process.stdout.write(json ? jsonLine(started) : `${printable(started.operation_id)}\n`);
    return EXIT.done;
  },
});

export const event = defineCommand({
  operands: ["id", "name"],
  summary: "sends an event to an orchestration that waits for it, now or later",
  options: {
    data: { type: "string", value: "<json>", help: "what it carries. Default: null" },
    ...JSON_OPTION,
  },
  async run({ client }, [id = "", name = ""], { data = "null", json }) {
    const document = await client.raiseEvent(id, name, parseJson("data", data));
    return accepted(`event ${name}`, document, json);
  },
});

export const purge = defineCommand({
  operands: ["id"],
  summary: "deletes a terminal operation and its history",
  options: {},
  async run({ client }, [id = ""]) {
    await client.purge(id);
    process.stdout.write(`${printable(id)} purged\n`);
    return EXIT.done;
  },
});

function simpleVerb(verb: keyof Client & ("suspend" | "resume" | "rewind"), summary: string) {
  return defineCommand({
    operands: ["id"],
    summary,
    options: REASON,
    async run({ client }, [id = ""], { reason, json }) {
      const body = reason === undefined ? {} : { reason };
      return accepted(verb, await client[verb](id, body), json);
    },
  });
}

/** The document may not show the effect yet, and a caller that may not read has no status. */
function accepted(verb: string, document: OperationDocument, json: boolean | undefined): number {
  const { operation_id, status } = document;
  const text = `${operation_id}: ${verb} accepted${status ? `, it was ${status}` : ""}`;
  process.stdout.write(json ? jsonLine(document) : `${printable(text)}\n`);
  return EXIT.done;
}
