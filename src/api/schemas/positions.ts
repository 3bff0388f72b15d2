import { Type } from "typebox";
import { OPERATION_ID } from "../../streaming/operation/operation-id.ts";

/*
 * A schema with a title is a component of the documents under its title. Descriptions complete the
 * sentence "must be …", for the detail of a problem.
 */

export const OperationId = Type.String({
  title: "OperationId",
  description: "the id of one operation: 1 to 100 printable ASCII characters, no leading '@'",
  pattern: OPERATION_ID.source,
  examples: ["order-17"],
});

/** The scheduler's time. */
export const Timestamp = Type.String({
  title: "Timestamp",
  description: "a time in ISO 8601, UTC, with milliseconds",
  format: "date-time",
  pattern: "^[+-]?\\d{4,6}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$",
  examples: ["2026-11-23T16:40:31.147Z"],
});

export const CURSOR_EXAMPLE = "2.0mwths432.0mwths5nv.r1fuh09u71v.k3v9qa";

export const Cursor = Type.String({
  title: "Cursor",
  description: "the position of one state of one operation; opaque",
  pattern: "^[0-9a-z.]{1,64}$",
  examples: [CURSOR_EXAMPLE],
});

export const STEPS_CURSOR_EXAMPLE = `${CURSOR_EXAMPLE}.8d02mf.4.1c9w0x2pfa`;

export const StepsCursor = Type.String({
  title: "StepsCursor",
  description: "the position of one state of one operation and of a step in its history; opaque",
  pattern: "^[0-9a-z.]{1,100}$",
  examples: [STEPS_CURSOR_EXAMPLE],
});

export const EventId = Type.String({
  title: "EventId",
  description:
    "a position in a stream; opaque. A cursor, with `detail=steps` a steps cursor, on streams of " +
    "several operations a watermark",
  pattern: "^[0-9a-z.]{1,256}$",
  examples: [CURSOR_EXAMPLE],
});
