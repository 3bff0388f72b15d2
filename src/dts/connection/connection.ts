import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type ChannelOptions, credentials, Metadata } from "@grpc/grpc-js";
import type { TaskHubGrpcClientOptions } from "@microsoft/durabletask-js";
import sdk from "@microsoft/durabletask-js/dist/version.js";
import type { CallLog, CallMeter, CallObservers } from "../calls.ts";
import { CredentialError } from "../scheduler-error.ts";
import { createTokenSource } from "./credentials.ts";
import type { SchedulerTarget } from "./target.ts";

/**
 * What a channel is for. Each purpose has a connection of its own: HTTP/2 allows about 100 streams
 * at once on one, and a call beyond that waits in silence. So a burst of reads cannot delay a start,
 * nor an open wait a read.
 */
export type Purpose = "reads" | "histories" | "commands" | "waits" | "worker";

/** What both the SDK's classes and its raw stub need to reach one scheduler. */
export type ConnectionOptions = Required<
  Pick<TaskHubGrpcClientOptions, "hostAddress" | "options" | "credentials" | "metadataGenerator">
> &
  CallObservers;

/** One task hub. The SDK itself sets neither headers, TLS nor deadlines. */
export interface Connection {
  /** Options for one channel. It connects with its first call. */
  for(purpose: Purpose): ConnectionOptions;
}

/** Deadlines per unary method, in seconds. Streams and waits have none: they stay open. */
const DEADLINES_S: Record<Purpose, Record<string, number>> = {
  reads: { GetInstance: 5, QueryInstances: 15, ListInstanceIds: 15 },
  commands: {
    StartInstance: 10,
    RaiseEvent: 10,
    TerminateInstance: 10,
    SuspendInstance: 10,
    ResumeInstance: 10,
    RestartInstance: 10,
    RewindInstance: 10,
    PurgeInstances: 30,
  },
  // A history is read as fast as its slowest reader takes it; the reader bounds the silence.
  histories: {},
  waits: {},
  worker: {
    Hello: 10,
    CompleteActivityTask: 30,
    CompleteOrchestratorTask: 30,
    CompleteEntityTask: 30,
    AbandonTaskOrchestratorWorkItem: 30,
  },
};

/** Methods whose repetition could have a second effect, or fail because the first call succeeded. */
const NOT_REPEATED = ["RaiseEvent", "RestartInstance", "RewindInstance"];

/** The Azure-managed packages' policy, in whole attempts: about 0.6 s in all. */
const RETRY_POLICY = {
  maxAttempts: 5,
  initialBackoff: "0.05s",
  maxBackoff: "0.25s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE"],
};

const SERVICE = "TaskHubSidecarService";

/**
 * @param log gets a line for each call, at the level `debug`
 * @param meter gets the outcome of each unary call that does not wait for an instance's end
 */
export function createConnection(
  target: SchedulerTarget,
  log?: CallLog,
  meter?: CallMeter,
): Connection {
  const token = createTokenSource(target.authentication);
  const insecure = target.authentication.kind === "none";
  const workerId = `${hostname()},${process.pid},${randomBytes(16).toString("hex")}`;

  const metadataFor = (purpose: Purpose) => async (): Promise<Metadata> => {
    const role = purpose === "worker" ? "DurableTaskWorker" : "DurableTaskClient";
    const metadata = new Metadata();
    metadata.set("taskhub", target.taskHub);
    metadata.set("x-user-agent", `durabletask-js/${sdk.SDK_VERSION} (${role})`);
    if (purpose === "worker") metadata.set("workerid", workerId);
    const bearer = await token().catch((error: unknown) => {
      throw new CredentialError(error);
    });
    if (bearer) metadata.set("authorization", `Bearer ${bearer}`);
    return metadata;
  };

  return {
    for: (purpose) => ({
      hostAddress: target.address,
      options: channelOptions(purpose),
      credentials: insecure ? credentials.createInsecure() : credentials.createSsl(),
      metadataGenerator: metadataFor(purpose),
      log,
      meter: purpose === "waits" ? undefined : meter,
    }),
  };
}

function channelOptions(purpose: Purpose): ChannelOptions {
  return {
    "grpc.primary_user_agent": "dts-push",
    // What is stored must be readable: gRPC's own limit of 4 MiB would hide it permanently.
    "grpc.max_receive_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
    // A peer that vanished without a FIN is noticed within 40 s; calls in flight have deadlines.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    // The default of two minutes would keep streams stale long after the scheduler is back.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 5000,
    "grpc.enable_retries": 1,
    "grpc.service_config": serviceConfig(purpose),
    "grpc.service_config_disable_resolution": 1,
  };
}

/**
 * A method's own entry replaces the wildcard's rather than adding to it, so each repeats the retry
 * policy. Seconds are whole: grpc-js misreads fractions of a second written as "0.5s".
 */
function serviceConfig(purpose: Purpose): string {
  // Watchers back off by themselves; retries here would multiply their read budget.
  const isRetried = purpose === "commands" || purpose === "worker";
  const retryPolicy = isRetried ? { retryPolicy: RETRY_POLICY } : {};
  const withDeadline = Object.entries(DEADLINES_S[purpose]).map(([method, seconds]) => ({
    name: [{ service: SERVICE, method }],
    timeout: { seconds, nanos: 0 },
    ...(!NOT_REPEATED.includes(method) && retryPolicy),
  }));
  const wildcard = { name: [{ service: "" }], ...retryPolicy };
  return JSON.stringify({ methodConfig: isRetried ? [wildcard, ...withDeadline] : withDeadline });
}
