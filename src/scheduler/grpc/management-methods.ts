/** The gRPC methods that clients call for one instance: they translate and validate. */
import type { InstanceCommands } from "../engine/commands.ts";
import type { NewInstance } from "../engine/lifecycle.ts";
import type { InstanceState, Reads } from "../engine/reads.ts";
import { pb, toMs } from "../protocol/proto.ts";
import { isTerminal, PENDING } from "../protocol/status.ts";
import {
  checkBatch,
  checkInstanceId,
  checkLabel,
  checkName,
  checkPayload,
  checkReusePolicy,
  checkTags,
  checkTraceContext,
} from "../protocol/validation.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { CallContext } from "./calls.ts";
import { orchestrationState } from "./orchestration-state.ts";

export function managementMethods(commands: InstanceCommands, reads: Reads) {
  return {
    startInstance: async (request: pb.CreateInstanceRequest, { ensureHub }: CallContext) => {
      const replaceable = checkReusePolicy(request.getOrchestrationidreusepolicy());
      const instance = newInstance(request);
      await commands.start({ ...instance, hub: ensureHub() }, replaceable);
      const response = new pb.CreateInstanceResponse();
      response.setInstanceid(instance.instanceId);
      return response;
    },

    getInstance: async (request: pb.GetInstanceRequest, { hub }: CallContext) =>
      describe(
        request,
        await reads.find(hub, request.getInstanceid(), request.getGetinputsandoutputs()),
      ),

    waitForInstanceStart: (request: pb.GetInstanceRequest, context: CallContext) =>
      waitFor(reads, request, context, ({ status }) => status !== PENDING),

    waitForInstanceCompletion: (request: pb.GetInstanceRequest, context: CallContext) =>
      waitFor(reads, request, context, ({ status }) => isTerminal(status)),

    raiseEvent: async (request: pb.RaiseEventRequest, { hub }: CallContext) => {
      const name = checkName("The event's name", request.getName());
      const input = checkPayload("The event's data", request.getInput()?.getValue());
      await commands.raiseEvent(hub, request.getInstanceid(), name, input);
      return new pb.RaiseEventResponse();
    },

    terminateInstance: async (request: pb.TerminateRequest, { hub }: CallContext) => {
      const output = checkPayload("The output", request.getOutput()?.getValue());
      await commands.terminate(hub, request.getInstanceid(), output, request.getRecursive());
      return new pb.TerminateResponse();
    },

    suspendInstance: async (request: pb.SuspendRequest, { hub }: CallContext) => {
      await commands.suspend(hub, request.getInstanceid(), reasonOf(request));
      return new pb.SuspendResponse();
    },

    resumeInstance: async (request: pb.ResumeRequest, { hub }: CallContext) => {
      await commands.resume(hub, request.getInstanceid(), reasonOf(request));
      return new pb.ResumeResponse();
    },

    restartInstance: async (request: pb.RestartInstanceRequest, { hub }: CallContext) => {
      const withNewId = request.getRestartwithnewinstanceid();
      const response = new pb.RestartInstanceResponse();
      response.setInstanceid(await commands.restart(hub, request.getInstanceid(), withNewId));
      return response;
    },

    rewindInstance: async (request: pb.RewindInstanceRequest, { hub }: CallContext) => {
      await commands.rewind(hub, request.getInstanceid(), reasonOf(request));
      return new pb.RewindInstanceResponse();
    },

    skipGracefulOrchestrationTerminations: async (
      request: pb.SkipGracefulOrchestrationTerminationsRequest,
      { hub }: CallContext,
    ) => {
      const ids = checkBatch(request.getInstancebatch());
      const reason = reasonOf(request);
      const response = new pb.SkipGracefulOrchestrationTerminationsResponse();
      response.setUnterminatedinstanceidsList(await commands.terminateByForce(hub, ids, reason));
      return response;
    },
  };
}

function reasonOf(request: { getReason(): { getValue(): string } | undefined }) {
  return checkPayload("The reason", request.getReason()?.getValue());
}

function newInstance(request: pb.CreateInstanceRequest): Omit<NewInstance, "hub"> {
  return {
    instanceId: checkInstanceId(request.getInstanceid()),
    name: checkName("The orchestration's name", request.getName()),
    version: checkLabel("The version", request.getVersion()?.getValue()),
    input: checkPayload("The input", request.getInput()?.getValue()),
    startMs: toMs(request.getScheduledstarttimestamp()),
    tags: checkTags(request),
    traceContext: checkTraceContext(request.getParenttracecontext()),
  };
}

async function waitFor(
  reads: Reads,
  request: pb.GetInstanceRequest,
  { hub, caller }: CallContext,
  wanted: (instance: InstanceRow) => boolean,
): Promise<pb.GetInstanceResponse> {
  const full = request.getGetinputsandoutputs();
  return describe(request, await reads.waitFor(hub, request.getInstanceid(), wanted, full, caller));
}

function describe(
  request: pb.GetInstanceRequest,
  state: InstanceState | undefined,
): pb.GetInstanceResponse {
  const response = new pb.GetInstanceResponse();
  response.setExists(state !== undefined);
  if (state) {
    const full = request.getGetinputsandoutputs();
    response.setOrchestrationstate(orchestrationState(state.instance, state.payloads, full));
  }
  return response;
}
