import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import type { Instance, RuntimeStatus } from "../../../src/dts/instance.ts";
import type { InstanceQuery } from "../../../src/dts/instance-query.ts";

/** The state of an instance, filled up with what a test does not care about. */
export function instance(overrides: Partial<Instance> = {}): Instance {
  return {
    id: "op",
    name: "test",
    version: undefined,
    tags: undefined,
    parentId: undefined,
    status: "RUNNING",
    createdAtMs: 1_700_000_000_000,
    lastUpdatedAtMs: 1_700_000_001_000,
    scheduledAtMs: undefined,
    completedAtMs: undefined,
    customStatus: undefined,
    output: undefined,
    failure: undefined,
    ...overrides,
  };
}

/** The instances that a query asks for, of these in their order. Page tokens are positions. */
export function pageOf<T extends Pick<Instance, "id" | "createdAtMs" | "status">>(
  instances: Iterable<T>,
  query: InstanceQuery,
) {
  const { createdFromMs = 0, createdToMs = Number.POSITIVE_INFINITY } = query;
  const { statuses = [], idPrefix = "", pageSize, pageToken = "0" } = query;
  const found = [...instances].filter(
    ({ id, createdAtMs, status }) =>
      id.startsWith(idPrefix) &&
      createdAtMs >= createdFromMs &&
      createdAtMs < createdToMs &&
      (statuses.length === 0 || statuses.includes(status)),
  );
  const end = Number(pageToken) + pageSize;
  return {
    page: found.slice(Number(pageToken), end),
    nextPageToken: found.length > end ? String(end) : undefined,
  };
}

/** A query as it came over the wire. */
export function filtersOf(query: Proto.InstanceQuery): InstanceQuery {
  const toMs = query.getCreatedtimeto()?.toDate().getTime();
  return {
    createdFromMs: query.getCreatedtimefrom()?.toDate().getTime() ?? 0,
    ...(toMs !== undefined && { createdToMs: toMs }),
    idPrefix: query.getInstanceidprefix()?.getValue() ?? "",
    statuses: query.getRuntimestatusList().map((code) => STATUSES.get(code) ?? "RUNNING"),
    pageSize: query.getMaxinstancecount() || 100,
    pageToken: query.getContinuationtoken()?.getValue() || undefined,
  };
}

const STATUSES = new Map(
  Object.entries(pb.OrchestrationStatus).map(([name, code]) => [
    code as number,
    name.replace("ORCHESTRATION_STATUS_", "") as RuntimeStatus,
  ]),
);

/** An instance as it goes over the wire. */
export function toState(found: Instance): Proto.OrchestrationState {
  const state = new pb.OrchestrationState();
  state.setInstanceid(found.id);
  state.setName(found.name);
  for (const [key, value] of Object.entries(found.tags ?? {})) state.getTagsMap().set(key, value);
  state.setOrchestrationstatus(pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${found.status}`]);
  state.setCreatedtimestamp(timestamp(found.createdAtMs));
  state.setLastupdatedtimestamp(timestamp(found.lastUpdatedAtMs));
  if (found.customStatus !== undefined) state.setCustomstatus(text(found.customStatus));
  if (found.output !== undefined) state.setOutput(text(found.output));
  if (found.failure) {
    const details = new pb.TaskFailureDetails();
    details.setErrortype(found.failure.type);
    details.setErrormessage(found.failure.message);
    details.setStacktrace(text("at secret.ts:1"));
    state.setFailuredetails(details);
  }
  return state;
}

export function timestamp(epochMs: number): InstanceType<typeof timestamps.Timestamp> {
  const value = new timestamps.Timestamp();
  value.fromDate(new Date(epochMs));
  return value;
}

export function text(value: string): InstanceType<typeof wrappers.StringValue> {
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}
