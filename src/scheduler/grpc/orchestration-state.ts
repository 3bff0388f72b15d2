/** Builds the state of an instance as clients see it. */
import { pb, stringValue, toTimestamp } from "../protocol/proto.ts";
import { parseTags, setTags } from "../protocol/tags.ts";
import type { InstanceRow, Payloads } from "../storage/instance-table.ts";

/** Custom status and failure are always included; input and output only on request, since they may be large. */
export function orchestrationState(
  instance: InstanceRow,
  payloads: Payloads,
  withInputAndOutput: boolean,
): pb.OrchestrationState {
  const state = new pb.OrchestrationState();
  state.setInstanceid(instance.instanceId);
  state.setExecutionid(stringValue(instance.executionId));
  state.setName(instance.name);
  state.setVersion(stringValue(instance.version));
  state.setOrchestrationstatus(instance.status as pb.OrchestrationStatus);
  state.setCreatedtimestamp(toTimestamp(instance.createdMs));
  state.setLastupdatedtimestamp(toTimestamp(instance.updatedMs));
  if (instance.startMs !== undefined)
    state.setScheduledstarttimestamp(toTimestamp(instance.startMs));
  if (instance.completedMs !== undefined)
    state.setCompletedtimestamp(toTimestamp(instance.completedMs));
  state.setCustomstatus(stringValue(instance.customStatus));
  state.setParentinstanceid(stringValue(instance.parent?.instanceId));
  setTags(state, parseTags(instance.tags));
  if (payloads.failure) {
    state.setFailuredetails(pb.TaskFailureDetails.deserializeBinary(payloads.failure));
  }
  if (withInputAndOutput) {
    state.setInput(stringValue(payloads.input));
    state.setOutput(stringValue(payloads.output));
  }
  return state;
}

/** Upper bound for the fields of fixed size and the framing of the others. */
const FRAME_BYTES = 200;

/** Estimates the size of the serialized state, slightly too high. Cheaper than serializing it twice. */
export function stateBytes(instance: InstanceRow, { input, output, failure }: Payloads): number {
  const { instanceId, executionId, name, version, customStatus, parent, tags } = instance;
  const texts = [instanceId, executionId, name, version, customStatus, parent?.instanceId];
  return [...texts, input, output].reduce(
    (sum, text) => sum + (text === undefined ? 0 : Buffer.byteLength(text)),
    FRAME_BYTES + (tags?.length ?? 0) + (failure?.length ?? 0),
  );
}
