import { Type } from "typebox";
import { SCOPES } from "../../access.ts";
import { OperationNotFoundError, PROBLEM_TYPE_BASE } from "../../problems.ts";
import { OperationStatus } from "./operation-document.ts";
import { OperationId } from "./positions.ts";
import { PROBLEM_TABLE } from "./problem-table.ts";

export const PROBLEM_EXAMPLE = new OperationNotFoundError("order-17").toProblem();

/** One of those that are known, or one of a later version. */
export const ProblemType = Type.Union(
  [
    Type.Enum(Object.keys(PROBLEM_TABLE).map((slug) => PROBLEM_TYPE_BASE + slug)),
    Type.String({ pattern: `^${PROBLEM_TYPE_BASE}[a-z-]+$` }),
  ],
  {
    title: "ProblemType",
    description: "`urn:dts-push:problem:` and a slug, which never changes meaning",
  },
);

export const Problem = Type.Object(
  {
    type: ProblemType,
    title: Type.String({ description: "the meaning of the status" }),
    status: Type.Integer({ minimum: 200, maximum: 599 }),
    detail: Type.String({ description: "what happened and what to do", minLength: 1 }),
    operation_id: Type.Optional(OperationId),
    operation_status: Type.Optional(OperationStatus),
    scope: Type.Optional(
      Type.String({
        pattern: `^(?:${SCOPES.join("|")})(?::.+)?$`,
        description: "the permission that the credential lacks",
      }),
    ),
  },
  {
    title: "Problem",
    description: "An error as a problem document, RFC 9457",
    examples: [PROBLEM_EXAMPLE],
  },
);
