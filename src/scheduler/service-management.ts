/** The calls of clients: translation and validation; the engine does the rest. */
import type { Engine } from "./engine.ts";
import type { NewInstance } from "./lifecycle.ts";
import { orchestrationState } from "./orchestration-state.ts";
import { pb, toMs } from "./proto.ts";
import type { Reads } from "./reads.ts";
import type { CallContext } from "./rpc.ts";
import { isTerminal, PENDING } from "./status.ts";
import type { Instance } from "./store-instances.ts";
import { tagsOf } from "./tags.ts";
import { checkBatch, checkInstanceId, checkName, checkPayload } from "./validation.ts";

export function managementMethods(engine: Engine, reads: Reads) {
  return {
    startInstance: async (request: pb.CreateInstanceRequest, { hub }: CallContext) => {
      const policy = request.getOrchestrationidreusepolicy();
      const instance = newInstance(hub, request);
      await engine.start(instance, policy?.getReplaceablestatusList());
      const response = new pb.CreateInstanceResponse();
      response.setInstanceid(instance.instanceId);
      return response;
    },

    getInstance: async (request: pb.GetInstanceRequest, { hub }: CallContext) =>
      describe(reads, request, await reads.find(hub, request.getInstanceid())),

    waitForInstanceStart: async (request: pb.GetInstanceRequest, { hub, caller }: CallContext) => {
      const started = ({ status }: Instance) => status !== PENDING;
      const instance = await reads.waitFor(hub, request.getInstanceid(), started, caller);
      return describe(reads, request, instance);
    },

    waitForInstanceCompletion: async (
      request: pb.GetInstanceRequest,
      { hub, caller }: CallContext,
    ) => {
      const done = ({ status }: Instance) => isTerminal(status);
      const instance = await reads.waitFor(hub, request.getInstanceid(), done, caller);
      return describe(reads, request, instance);
    },

    raiseEvent: async (request: pb.RaiseEventRequest, { hub }: CallContext) => {
      const name = checkName("The event's name", request.getName());
      const input = checkPayload("The event's data", request.getInput()?.getValue());
      await engine.raiseEvent(hub, request.getInstanceid(), name, input);
      return new pb.RaiseEventResponse();
    },

    terminateInstance: async (request: pb.TerminateRequest, { hub }: CallContext) => {
      const output = checkPayload("The output", request.getOutput()?.getValue());
      await engine.terminate(hub, request.getInstanceid(), output, request.getRecursive());
      return new pb.TerminateResponse();
    },

    suspendInstance: async (request: pb.SuspendRequest, { hub }: CallContext) => {
      await engine.suspend(hub, request.getInstanceid(), request.getReason()?.getValue());
      return new pb.SuspendResponse();
    },

    resumeInstance: async (request: pb.ResumeRequest, { hub }: CallContext) => {
      await engine.resume(hub, request.getInstanceid(), request.getReason()?.getValue());
      return new pb.ResumeResponse();
    },

    restartInstance: async (request: pb.RestartInstanceRequest, { hub }: CallContext) => {
      const withNewId = request.getRestartwithnewinstanceid();
      const response = new pb.RestartInstanceResponse();
      response.setInstanceid(await engine.restart(hub, request.getInstanceid(), withNewId));
      return response;
    },

    rewindInstance: async (request: pb.RewindInstanceRequest, { hub }: CallContext) => {
      await engine.rewind(hub, request.getInstanceid(), request.getReason()?.getValue());
      return new pb.RewindInstanceResponse();
    },

    skipGracefulOrchestrationTerminations: async (
      request: pb.SkipGracefulOrchestrationTerminationsRequest,
      { hub }: CallContext,
    ) => {
      const ids = checkBatch(request.getInstancebatch());
      const reason = request.getReason()?.getValue();
      const response = new pb.SkipGracefulOrchestrationTerminationsResponse();
      response.setUnterminatedinstanceidsList(await engine.terminateByForce(hub, ids, reason));
      return response;
    },
  };
}

function newInstance(hub: number, request: pb.CreateInstanceRequest): NewInstance {
  return {
    hub,
    instanceId: checkInstanceId(request.getInstanceid()),
    name: checkName("The orchestration's name", request.getName()),
    version: request.getVersion()?.getValue(),
    input: checkPayload("The input", request.getInput()?.getValue()),
    startMs: toMs(request.getScheduledstarttimestamp()),
    tags: tagsOf(request),
    traceContext: request.getParenttracecontext(),
  };
}

function describe(
  reads: Reads,
  request: pb.GetInstanceRequest,
  instance: Instance | undefined,
): pb.GetInstanceResponse {
  const response = new pb.GetInstanceResponse();
  response.setExists(instance !== undefined);
  if (instance) {
    const withPayloads = request.getGetinputsandoutputs();
    response.setOrchestrationstate(
      orchestrationState(instance, reads.payloads(instance, withPayloads), withPayloads),
    );
  }
  return response;
}
