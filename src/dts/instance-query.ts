import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import { type InstanceRead, type RuntimeStatus, toInstance } from "./instance.ts";

/** Which instances of the task hub to list. The protocol has no other filters. */
export interface InstanceQuery {
  /** Created at this time or later, in epoch milliseconds. */
  readonly createdFromMs?: number;
  /** Created before this time. */
  readonly createdToMs?: number;
  /** Default: any. */
  readonly statuses?: readonly RuntimeStatus[];
  readonly idPrefix?: string;
  /**
   * Whether to fetch inputs, outputs and, on some schedulers, custom status. Default `true`. Without
   * them an instance's `customStatus`, `input` and `output` say nothing.
   */
  readonly payloads?: boolean;
  readonly pageSize: number;
  /** From the page before. */
  readonly pageToken?: string | undefined;
}

/** A page may be empty and yet not be the last. */
export interface InstancePage {
  /** In an order that the protocol does not define. */
  readonly instances: readonly InstanceRead[];
  readonly nextPageToken: string | undefined;
  /** Characters of all inputs, outputs and custom statuses: about the size of the page. */
  readonly payloadLength: number;
}

export function toQueryRequest(query: InstanceQuery): Proto.QueryInstancesRequest {
  const message = new pb.InstanceQuery();
  for (const status of query.statuses ?? []) {
    message.addRuntimestatus(pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${status}`]);
  }
  if (query.createdFromMs !== undefined) message.setCreatedtimefrom(at(query.createdFromMs));
  if (query.createdToMs !== undefined) message.setCreatedtimeto(at(query.createdToMs));
  if (query.idPrefix) message.setInstanceidprefix(text(query.idPrefix));
  if (query.pageToken) message.setContinuationtoken(text(query.pageToken));
  message.setMaxinstancecount(query.pageSize);
  // Some schedulers treat custom status as a payload, so payloads are requested by default.
  message.setFetchinputsandoutputs(query.payloads ?? true);
  const request = new pb.QueryInstancesRequest();
  request.setQuery(message);
  return request;
}

export function toPage(response: Proto.QueryInstancesResponse): InstancePage {
  const states = response.getOrchestrationstateList();
  return {
    instances: states.map((state) => toInstance(state.getInstanceid(), state)),
    nextPageToken: response.getContinuationtoken()?.getValue() || undefined,
    payloadLength: states.reduce((sum, state) => sum + payloadLength(state), 0),
  };
}

function payloadLength(state: Proto.OrchestrationState): number {
  const payloads = [state.getInput(), state.getOutput(), state.getCustomstatus()];
  return payloads.reduce((sum, payload) => sum + (payload?.getValue().length ?? 0), 0);
}

function at(epochMs: number) {
  const timestamp = new timestamps.Timestamp();
  timestamp.fromDate(new Date(epochMs));
  return timestamp;
}

function text(value: string) {
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}
