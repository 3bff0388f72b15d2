import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import { ProblemError } from "../../../problems.ts";
import { START_ORCHESTRATION } from "../../descriptions/start.ts";
import { MAX_PAYLOAD_BYTES } from "../../http/payload-limit.ts";
import { memberText } from "../../request/json-text.ts";
import { NoQuery } from "../../request/query.ts";
import { AnyJson } from "../../schemas/operation-document.ts";
import { OperationId } from "../../schemas/positions.ts";
import { printableText } from "../../schemas/text.ts";
import type { Start } from "./starter.ts";

/** What a body may have beside its input. */
const ENVELOPE_BYTES = 64 * 1024;
/** What a scheduler's timestamp can hold, in epoch milliseconds. */
const LATEST_MS = Date.UTC(9999, 11, 31);

const Body = Type.Object(
  {
    name: printableText(1, 1000, "the name of the orchestration"),
    input: Type.Optional(AnyJson("any JSON, up to 1 MB, stored digit for digit")),
    operation_id: Type.Optional(OperationId),
    version: Type.Optional(printableText(1, 1000, "the version of the orchestration")),
    tags: Type.Optional(
      Type.Record(Type.String(), printableText(0, 1000, "text"), {
        maxProperties: 100,
        propertyNames: printableText(1, 1000, "text"),
        description: "an object of up to 100 texts, each of up to 1,000 characters",
      }),
    ),
    start_at: Type.Optional(
      Type.String({
        format: "date-time",
        description: "a date and time, such as 2026-11-23T16:40:29Z",
      }),
    ),
  },
  {
    additionalProperties: false,
    examples: [{ name: "ship_order", input: { items: ["lamp", "chair"] }, tags: { team: "blue" } }],
  },
);

/** Starting any orchestration of the task hub. */
export const startOrchestrationRoute: FastifyPluginAsyncTypebox<{ readonly start: Start }> = async (
  app,
  { start },
) => {
  app.post(
    "/api/operations",
    {
      schema: { querystring: NoQuery, body: Body },
      config: { scope: "operations:start", docs: START_ORCHESTRATION, bodyVerbatim: true },
      bodyLimit: MAX_PAYLOAD_BYTES + ENVELOPE_BYTES,
    },
    (request, reply) => {
      const { name, operation_id: chosenId, version, tags, start_at } = request.body;
      const input = memberText(request.bodyText ?? "{}", "input");
      if (Buffer.byteLength(input ?? "") > MAX_PAYLOAD_BYTES) throw new InputTooLargeError();
      return start(request, reply, {
        name,
        version,
        tags,
        startAtMs: start_at === undefined ? undefined : parseDate(start_at),
        chosenId,
        inputOf: () => input,
      });
    },
  );
};

/** A date before the epoch is as good as the epoch: it has passed. */
function parseDate(text: string): number {
  const atMs = Date.parse(text);
  // A leap second is valid as text.
  if (Number.isNaN(atMs)) throw new ProblemError("invalid-body", 400, '"start_at" does not exist.');
  return Math.min(Math.max(atMs, 0), LATEST_MS);
}

class InputTooLargeError extends ProblemError {
  constructor() {
    const detail = `The input is too large. A scheduler takes up to ${MAX_PAYLOAD_BYTES} bytes.`;
    super("body-too-large", 413, detail);
  }
}
