/** The calls of clients: translation and validation; the engine does the rest. */
import type { Engine } from "./engine.ts";
import { invalid } from "./errors.ts";
import { queryInstances } from "./instance-query.ts";
import type { NewInstance } from "./lifecycle.ts";
import { orchestrationState } from "./orchestration-state.ts";
import { boolValue, pb, stringValue, toMs } from "./proto.ts";
import type { Reads } from "./reads.ts";
import type { CallContext } from "./rpc.ts";
import { isTerminal, PENDING } from "./status.ts";
import type { Instance } from "./store-instances.ts";
import { tagsOf } from "./tags.ts";
import { checkInstanceId, checkName, checkPayload } from "./validation.ts";

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;
const MAX_PURGE_BATCH = 500;

export function managementMethods(engine: Engine, reads: Reads) {
  return {
    startInstance: async (request: pb.CreateInstanceRequest, { hub }: CallContext) => {
      const policy = request.getOrchestrationidreusepolicy();
      const instance = newInstance(hub, request);
      await engine.start(instance, policy?.getReplaceablestatusList() ?? []);
      const response = new pb.CreateInstanceResponse();
      response.setInstanceid(instance.instanceId);
      return response;
    },

    getInstance: async (request: pb.GetInstanceRequest, { hub }: CallContext) =>
      describe(reads, request, await reads.find(hub, request.getInstanceid())),

    waitForInstanceStart: async (request: pb.GetInstanceRequest, { hub, ended }: CallContext) => {
      const started = ({ status }: Instance) => status !== PENDING;
      const instance = await reads.waitFor(hub, request.getInstanceid(), started, ended);
      return describe(reads, request, instance);
    },

    waitForInstanceCompletion: async (
      request: pb.GetInstanceRequest,
      { hub, ended }: CallContext,
    ) => {
      const done = ({ status }: Instance) => isTerminal(status);
      const instance = await reads.waitFor(hub, request.getInstanceid(), done, ended);
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

    queryInstances: async (request: pb.QueryInstancesRequest, { hub }: CallContext) => {
      const query = request.getQuery() ?? new pb.InstanceQuery();
      const filter = {
        hub,
        statuses: query.getRuntimestatusList(),
        createdFromMs: toMs(query.getCreatedtimefrom()),
        createdToMs: toMs(query.getCreatedtimeto()),
        idPrefix: query.getInstanceidprefix()?.getValue(),
      };
      const token = query.getContinuationtoken()?.getValue();
      const pageSize = Math.min(query.getMaxinstancecount() || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
      const page = await reads.read((store) =>
        queryInstances(store.instances, filter, token, pageSize),
      );
      const response = new pb.QueryInstancesResponse();
      response.setOrchestrationstateList(
        page.items.map((instance) =>
          orchestrationState(instance, reads.payloads(instance), query.getFetchinputsandoutputs()),
        ),
      );
      response.setContinuationtoken(stringValue(page.token));
      return response;
    },

    purgeInstances: async (request: pb.PurgeInstancesRequest, { hub }: CallContext) => {
      const ids = request.hasInstancebatch()
        ? (request.getInstancebatch()?.getInstanceidsList() ?? [])
        : [request.getInstanceid()];
      if (ids.length > MAX_PURGE_BATCH) {
        throw invalid(`A purge takes at most ${MAX_PURGE_BATCH} ids, got ${ids.length}.`);
      }
      const response = new pb.PurgeInstancesResponse();
      response.setDeletedinstancecount(await engine.purge(hub, ids, request.getRecursive()));
      response.setIscomplete(boolValue(true));
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
      orchestrationState(instance, reads.payloads(instance), withPayloads),
    );
  }
  return response;
}
