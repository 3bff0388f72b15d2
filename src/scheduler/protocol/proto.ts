/**
 * The protocol's generated messages, as the SDK ships them, and conversions for them.
 *
 * They are CommonJS modules whose named exports Node cannot detect, so only the default import works.
 */
import service from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import duration from "google-protobuf/google/protobuf/duration_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import timestamp from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";

export { pb };
export const Empty = empty.Empty;
export const Duration = duration.Duration;
export const TaskHubSidecarServiceService = service.TaskHubSidecarServiceService;

/** Wraps an optional string; `undefined` leaves the field absent. */
export function stringValue(value: string | null | undefined): wrappers.StringValue | undefined {
  if (value === undefined || value === null) return undefined;
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}

export function boolValue(value: boolean): wrappers.BoolValue {
  const wrapped = new wrappers.BoolValue();
  wrapped.setValue(value);
  return wrapped;
}

/** @param ms milliseconds since 1970 */
export function toTimestamp(ms: number): timestamp.Timestamp {
  const seconds = Math.floor(ms / 1000);
  const result = new timestamp.Timestamp();
  result.setSeconds(seconds);
  result.setNanos(Math.round((ms - seconds * 1000) * 1e6));
  return result;
}

/** The latest time that a Date can hold. */
const LAST_MS = 8.64e15;

/** Milliseconds since 1970, rounded up, so that nothing is due too early. */
export function toMs(value: timestamp.Timestamp | undefined): number | undefined {
  if (!value) return undefined;
  const ms = value.getSeconds() * 1000 + Math.ceil(value.getNanos() / 1e6);
  return Math.min(Math.max(ms, -LAST_MS), LAST_MS);
}
