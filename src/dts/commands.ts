import type { ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import tracing from "@microsoft/durabletask-js/dist/tracing/index.js";
import type { Span } from "@opentelemetry/api";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import { inSpan } from "./command-span.ts";
import type { Connection } from "./connection/connection.ts";
import { createStub, unary } from "./connection/unary.ts";

/** An orchestration to be started. */
export interface NewOrchestration {
  readonly id: string;
  readonly name: string;
  /** JSON. Default: none. */
  readonly input?: string | undefined;
  readonly version?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Epoch milliseconds before which it does not start. Default: at once. */
  readonly startAtMs?: number | undefined;
}

/**
 * What changes instances. Each call is accepted, or fails with a SchedulerError; its effect is stored
 * when a worker has processed it. Schedulers differ in what they accept for an instance that is terminal
 * already: some do nothing, and some fail with `wrong-state`.
 */
export interface SchedulerCommands {
  /** @throws SchedulerError `already-exists` if the id is in use, by a terminal instance too */
  startOrchestration(start: NewOrchestration): Promise<void>;
  /** @param data JSON */
  raiseEvent(id: string, name: string, data: string): Promise<void>;
  /**
   * @param output JSON, the instance's output
   * @param recursive whether its children are terminated as well
   */
  terminate(id: string, output: string | undefined, recursive: boolean): Promise<void>;
  suspend(id: string, reason: string | undefined): Promise<void>;
  resume(id: string, reason: string | undefined): Promise<void>;
  /** Continues a failed instance from where it failed. */
  rewind(id: string, reason: string | undefined): Promise<void>;
  /** Starts it again with its input. @returns the id of the new instance */
  restart(id: string, withNewId: boolean): Promise<string>;
  /** Removes a terminal instance. @returns whether there was one */
  purge(id: string): Promise<boolean>;
}

/**
 * Commands by the SDK's generated stub: the SDK's client sends no reuse policy, and no reason with
 * suspend and resume.
 */
export function createCommands(connection: Connection): SchedulerCommands & { close(): void } {
  const options = connection.for("commands");
  const stub = createStub(options);

  const call = <Request, Response>(
    rpc: string,
    method: (
      request: Request,
      metadata: Metadata,
      done: (error: ServiceError | null, response: Response) => void,
    ) => ClientUnaryCall,
    request: Request,
    id: string,
    startSpan?: () => Span | undefined,
  ): Promise<Response> => {
    const send = () => unary(rpc, method.bind(stub), request, options, { operationId: id });
    return inSpan(rpc, id, send, startSpan);
  };

  return {
    async startOrchestration({ id, name, input, version, tags = {}, startAtMs }) {
      const request = new pb.CreateInstanceRequest();
      request.setInstanceid(id);
      request.setName(name);
      request.setInput(text(input));
      request.setVersion(text(version));
      for (const [key, value] of Object.entries(tags)) request.getTagsMap().set(key, value);
      if (startAtMs !== undefined) {
        const startAt = new timestamps.Timestamp();
        startAt.fromDate(new Date(startAtMs));
        request.setScheduledstarttimestamp(startAt);
      }
      // Without a policy a scheduler may replace a terminal instance; an empty one replaces none.
      request.setOrchestrationidreusepolicy(new pb.OrchestrationIdReusePolicy());
      // The orchestration becomes a part of the request's trace.
      const startSpan = () => tracing.startSpanForNewOrchestration(request);
      await call("StartInstance", stub.startInstance, request, id, startSpan);
    },

    async raiseEvent(id, name, data) {
      const request = new pb.RaiseEventRequest();
      request.setInstanceid(id);
      request.setName(name);
      request.setInput(text(data));
      await call("RaiseEvent", stub.raiseEvent, request, id);
    },

    async terminate(id, output, recursive) {
      const request = new pb.TerminateRequest();
      request.setInstanceid(id);
      request.setOutput(text(output));
      request.setRecursive(recursive);
      await call("TerminateInstance", stub.terminateInstance, request, id);
    },

    async suspend(id, reason) {
      const request = new pb.SuspendRequest();
      request.setInstanceid(id);
      request.setReason(text(reason));
      await call("SuspendInstance", stub.suspendInstance, request, id);
    },

    async resume(id, reason) {
      const request = new pb.ResumeRequest();
      request.setInstanceid(id);
      request.setReason(text(reason));
      await call("ResumeInstance", stub.resumeInstance, request, id);
    },

    async rewind(id, reason) {
      const request = new pb.RewindInstanceRequest();
      request.setInstanceid(id);
      request.setReason(text(reason));
      await call("RewindInstance", stub.rewindInstance, request, id);
    },

    async restart(id, withNewId) {
      const request = new pb.RestartInstanceRequest();
      request.setInstanceid(id);
      request.setRestartwithnewinstanceid(withNewId);
      const response: Proto.RestartInstanceResponse = await call(
        "RestartInstance",
        stub.restartInstance,
        request,
        id,
      );
      return response.getInstanceid();
    },

    async purge(id) {
      const request = new pb.PurgeInstancesRequest();
      request.setInstanceid(id);
      const response: Proto.PurgeInstancesResponse = await call(
        "PurgeInstances",
        stub.purgeInstances,
        request,
        id,
      );
      return response.getDeletedinstancecount() > 0;
    },

    close: () => stub.close(),
  };
}

function text(value: string | undefined) {
  if (value === undefined) return undefined;
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}
