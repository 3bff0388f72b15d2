/**
 * The scheduler under test: that of ENDPOINT and TASKHUB if set, else an embedded one.
 * Only the SDK's public client and worker are used, so that the tests apply to any scheduler.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DefaultAzureCredential } from "@azure/identity";
import { Metadata } from "@grpc/grpc-js";
import {
  NoOpLogger,
  type OrchestrationState,
  type OrchestrationStatus,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
  type TaskHubGrpcWorkerOptions,
} from "@microsoft/durabletask-js";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { startScheduler } from "../../../src/scheduler/scheduler.ts";

/** Deadline for an instance to end, in seconds. Generous, since a remote scheduler is slow. */
const DEADLINE_SECONDS = 20;

interface Endpoint {
  readonly hostAddress: string;
  readonly useTLS: boolean;
  readonly stop: () => Promise<void>;
}

export class TaskHub {
  readonly #name: string;
  #endpoint: Endpoint | undefined;
  #client: TaskHubGrpcClient | undefined;
  #worker: TaskHubGrpcWorker | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  get client(): TaskHubGrpcClient {
    if (!this.#client) throw new Error("The task hub is ready only inside tests.");
    return this.#client;
  }

  /** A unique id. */
  id(what: string): string {
    return `${what}-${randomUUID()}`;
  }

  /** Starts an orchestration and returns its final state. */
  async run(name: string, input?: unknown, instanceId?: string): Promise<OrchestrationState> {
    return this.end(await this.client.scheduleNewOrchestration(name, input, instanceId));
  }

  /** The final state of an instance. */
  async end(id: string): Promise<OrchestrationState> {
    const state = await this.client.waitForOrchestrationCompletion(id, true, DEADLINE_SECONDS);
    if (!state) throw new Error(`There is no instance ${id}`);
    return state;
  }

  async started(id: string): Promise<void> {
    await this.client.waitForOrchestrationStart(id, false, DEADLINE_SECONDS);
  }

  /** Polls until the state satisfies the condition. */
  async until(
    id: string,
    what: string,
    wanted: (state: OrchestrationState) => boolean,
  ): Promise<OrchestrationState> {
    const end = Date.now() + DEADLINE_SECONDS * 1000;
    for (;;) {
      const state = await this.client.getOrchestrationState(id, true);
      if (state && wanted(state)) return state;
      if (Date.now() > end)
        throw new Error(`${id} was not ${what} in time, but ${state?.runtimeStatus}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async reaches(id: string, status: OrchestrationStatus): Promise<void> {
    await this.until(id, `in status ${status}`, (state) => state.runtimeStatus === status);
  }

  /** Another task hub of the same scheduler, without a worker. Only the embedded scheduler creates hubs. */
  another(name: string): TaskHub {
    const other = new TaskHub(name);
    other.#endpoint = this.#endpoint;
    other.#client = new TaskHubGrpcClient(other.#connection());
    onTestFinished(() => other.#client?.stop());
    return other;
  }

  /** Another worker, which the caller starts and stops. */
  worker(options: Partial<TaskHubGrpcWorkerOptions> = {}): TaskHubGrpcWorker {
    return new TaskHubGrpcWorker({ ...this.#connection(), ...options });
  }

  async open(register: (worker: TaskHubGrpcWorker) => void): Promise<void> {
    this.#endpoint = await findEndpoint();
    this.#client = new TaskHubGrpcClient(this.#connection());
    this.#worker = this.worker();
    register(this.#worker);
    await this.#worker.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.#worker?.stop(), this.#client?.stop()]);
    await this.#endpoint?.stop();
  }

  #connection() {
    if (!this.#endpoint) throw new Error("The task hub is ready only inside tests.");
    const { hostAddress, useTLS } = this.#endpoint;
    return {
      hostAddress,
      useTLS,
      metadataGenerator: metadata(this.#name, useTLS),
      logger: new NoOpLogger(),
    };
  }
}

/** The task hub of a test file, with a worker that has what `register` gives it. */
export function useTaskHub(register: (worker: TaskHubGrpcWorker) => void): TaskHub {
  const hub = new TaskHub(process.env.TASKHUB ?? "default");
  beforeAll(() => hub.open(register));
  afterAll(() => hub.close());
  return hub;
}

function metadata(taskHub: string, withToken: boolean): () => Promise<Metadata> {
  const credential = withToken ? new DefaultAzureCredential() : undefined;
  return async () => {
    const result = new Metadata();
    result.set("taskhub", taskHub);
    const token = await credential?.getToken("https://durabletask.io/.default");
    if (token) result.set("authorization", `Bearer ${token.token}`);
    return result;
  };
}

async function findEndpoint(): Promise<Endpoint> {
  if (process.env.ENDPOINT) {
    const url = new URL(process.env.ENDPOINT);
    const useTLS = url.protocol === "https:";
    const port = url.port || (useTLS ? "443" : "80");
    return { hostAddress: `${url.hostname}:${port}`, useTLS, stop: async () => undefined };
  }
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
  const scheduler = await startScheduler({
    port: 0,
    database: join(folder, "scheduler.db"),
    logger,
  });
  const stop = async () => {
    await scheduler.close();
    await rm(folder, { recursive: true });
  };
  return { hostAddress: scheduler.address, useTLS: false, stop };
}
