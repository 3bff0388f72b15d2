import { Type } from "typebox";
import { SCOPES } from "../../access.ts";
import { OperationNotFoundError } from "../../problems.ts";
import { OperationId } from "./positions.ts";

export const PROBLEM_EXAMPLE = new OperationNotFoundError("order-17").toProblem();

export const Problem = Type.Object(
  {
    type: Type.String({
      description: "`urn:dts-push:problem:` and the slug, which never changes meaning",
      pattern: "^urn:dts-push:problem:[a-z-]+$",
    }),
    title: Type.String({ description: "the meaning of the status" }),
    status: Type.Integer({ minimum: 200, maximum: 599 }),
    detail: Type.String({ description: "what happened and what to do", minLength: 1 }),
    operation_id: Type.Optional(OperationId),
    scope: Type.Optional(Type.Enum([...SCOPES], { description: "what the credential lacks" })),
  },
  {
    title: "Problem",
    description: "An error as a problem document, RFC 9457",
    examples: [PROBLEM_EXAMPLE],
  },
);
