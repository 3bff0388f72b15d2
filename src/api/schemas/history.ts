import { Type } from "typebox";
import { STEP_KINDS } from "../../streaming/steps/step.ts";
import { Failure } from "./operation-document.ts";
import { OperationId, STEPS_CURSOR_EXAMPLE, StepsCursor, Timestamp } from "./positions.ts";

export const StepKind = Type.Enum([...STEP_KINDS], {
  title: "StepKind",
  description: "what the entry records. Ignore kinds that you do not know",
});

const Payload = (description: string) =>
  Type.Optional(Type.String({ description: `with \`include=payloads\`: ${description}` }));

/** What a step says, without what addresses it on a WebSocket. */
export const STEP_MEMBERS = {
  type: Type.Literal("step"),
  seq: Type.Integer({ minimum: 1, description: "counts from 1, in stored order" }),
  kind: StepKind,
  name: Type.Optional(
    Type.String({ description: "of the orchestration, activity, sub-orchestration or event" }),
  ),
  child_id: Type.Optional(OperationId),
  scheduled_seq: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: "`seq` of the step that scheduled what this one ends",
    }),
  ),
  at: Type.Optional(Timestamp),
  duration_ms: Type.Optional(
    Type.Integer({ minimum: 0, description: "since it was scheduled, in milliseconds" }),
  ),
  status: Type.Optional(
    Type.String({ description: "with `completed`: how the execution ended, as in the document" }),
  ),
  error: Type.Optional(Failure),
  input: Payload("the stored JSON text, cut at 16 KiB"),
  output: Payload("the stored JSON text, cut at 16 KiB"),
  truncated: Type.Optional(Type.Literal(true)),
};

export const STEP_EXAMPLE = {
  type: "step",
  seq: 4,
  kind: "activity_completed",
  name: "pack",
  at: "2026-11-23T16:40:30.136Z",
  duration_ms: 1011,
} as const;

export const Step = Type.Object(STEP_MEMBERS, {
  title: "Step",
  description: "One entry of an operation's history",
  examples: [STEP_EXAMPLE],
});

export const History = Type.Object(
  {
    operation_id: OperationId,
    execution_id: Type.Union([Type.String(), Type.Null()]),
    steps: Type.Array(Step),
    cursor: StepsCursor,
  },
  {
    title: "History",
    description: "The history of an operation. `cursor` resumes a stream after the last step",
    examples: [
      {
        operation_id: "order-17",
        execution_id: "c6a1f9e2b7",
        steps: [STEP_EXAMPLE],
        cursor: STEPS_CURSOR_EXAMPLE,
      },
    ],
  },
);
