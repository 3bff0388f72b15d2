/**
 * Runs hundreds of orchestrations while scheduler and worker are killed at random, then checks that
 *   - every acknowledged start has completed with its expected result,
 *   - every acknowledged event has arrived, and events between orchestrations once and in order,
 *   - no history has a step twice,
 *   - the file is undamaged.
 */

import { once } from "node:events";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { credentials } from "@grpc/grpc-js";
import {
  type HistoryEvent,
  NoOpLogger,
  OrchestrationStatus,
  TaskHubGrpcClient,
} from "@microsoft/durabletask-js";
import service from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { Victim } from "./victim.ts";
import { KINDS, type Workload, workload } from "./workloads.ts";

export interface CrashRunOptions {
  readonly seed: number;
  readonly instances: number;
  readonly kills: number;
  readonly database: string;
  readonly log: (line: string) => void;
}

export interface CrashReport {
  readonly kills: { scheduler: number; worker: number };
  readonly retriedCalls: number;
  readonly seconds: number;
  /** Empty if the run has passed. */
  readonly problems: readonly string[];
}

/** Mean time from one kill to the next. */
const MEAN_STEP_MS = 1500;
/** After the last kill, the time within which one more orchestration must end. */
const PROGRESS_SECONDS = 60;
/** Orchestrations that have not ended, after which the run gives up. */
const MAX_UNENDED = 3;

export async function crashRun(options: CrashRunOptions): Promise<CrashReport> {
  const started = performance.now();
  const random = seeded(options.seed);
  const address = `127.0.0.1:${await freePort()}`;
  const scheduler = new Victim("scheduler", address.split(":")[1] ?? "", options.database);
  const worker = new Victim("worker", address);
  const client = new PatientClient(address);
  const kills = { scheduler: 0, worker: 0 };
  try {
    await scheduler.start();
    await worker.start();
    const workloads = Array.from({ length: options.instances }, (_, n) => ({
      id: `crash-${n}`,
      // All kinds, in sizes that take several turns.
      ...workload(KINDS[n % KINDS.length] ?? "", 2 + Math.floor(random() * 12)),
    }));
    // Starts are spread over the run, so that every kill meets instances at every stage.
    const spacingMs = (options.kills * MEAN_STEP_MS) / options.instances;
    const feeding = Promise.all(workloads.map((each, n) => feed(client, each, n * spacingMs)));
    for (let n = 0; n < options.kills; n += 1) {
      await pause(200 + random() * 1500);
      const role = random() < 0.5 ? "scheduler" : "worker";
      const victim = role === "scheduler" ? scheduler : worker;
      await victim.kill();
      kills[role] += 1;
      await pause(random() * 300);
      await victim.start();
      options.log(`killed the ${role}, ${n + 1} of ${options.kills}`);
    }
    await worker.kill(); // a worker that has met a dead scheduler at its start does not recover
    await worker.start();
    await feeding;
    const problems = await check(client, workloads);
    await scheduler.stop();
    problems.push(...integrity(options.database));
    const seconds = Math.round((performance.now() - started) / 1000);
    return { kills, retriedCalls: client.retries, seconds, problems };
  } finally {
    await Promise.all([scheduler.kill(), worker.kill(), client.stop()]);
  }
}

type Instance = Workload & { readonly id: string };

async function feed(client: PatientClient, instance: Instance, afterMs: number): Promise<void> {
  await pause(afterMs);
  await client.start(instance);
  if (instance.name !== "collector") return;
  for (let event = 0; event < instance.size; event += 1) {
    await client.raise(instance.id, event);
    await pause(100);
  }
}

async function check(client: PatientClient, instances: readonly Instance[]): Promise<string[]> {
  const problems: string[] = [];
  let unended = 0;
  for (const { id, name, size, result } of instances) {
    if (unended === MAX_UNENDED) break;
    const state = await client.end(id, PROGRESS_SECONDS).catch((error: Error) => error.message);
    const what = `${id} (${name}, ${size})`;
    if (typeof state === "string") {
      unended += 1;
      const now = await client.state(id);
      problems.push(`${what} did not end: ${state}; it is ${now?.runtimeStatus}`);
    } else if (state?.runtimeStatus !== OrchestrationStatus.COMPLETED) {
      problems.push(`${what} ended as ${state?.runtimeStatus}: ${state?.failureDetails?.message}`);
    } else if (state.serializedOutput !== JSON.stringify(result)) {
      problems.push(`${what} gave ${state.serializedOutput} and not ${JSON.stringify(result)}`);
    }
    const repeated = repeatedSteps(await client.history(id));
    if (repeated.length > 0) problems.push(`${what} holds twice: ${repeated.join(", ")}`);
  }
  return problems;
}

/** Steps and completions that a history has more than once. */
function repeatedSteps(history: readonly HistoryEvent[]): string[] {
  const seen = new Set<string>();
  return history.flatMap((event) => {
    const answered =
      "taskScheduledId" in event
        ? event.taskScheduledId
        : "timerId" in event
          ? event.timerId
          : undefined;
    const step =
      answered !== undefined
        ? `answer to ${answered}`
        : event.eventId >= 0
          ? `step ${event.eventId}`
          : "";
    const again = step !== "" && seen.has(step);
    seen.add(step);
    return again ? [step] : [];
  });
}

function integrity(database: string): string[] {
  const db = new DatabaseSync(database, { readOnly: true });
  const answers = db
    .prepare("PRAGMA integrity_check")
    .all()
    .map((row) => String(row.integrity_check));
  db.close();
  return answers.filter((answer) => answer !== "ok");
}

/** Repeats each call until it is answered. */
class PatientClient {
  readonly #client: TaskHubGrpcClient;
  readonly #stub;
  retries = 0;

  constructor(hostAddress: string) {
    const options = {
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 200,
    };
    this.#client = new TaskHubGrpcClient({ hostAddress, options, logger: new NoOpLogger() });
    this.#stub = new service.TaskHubSidecarServiceClient(
      hostAddress,
      credentials.createInsecure(),
      options,
    );
  }

  async start({ id, name, size }: Instance): Promise<void> {
    const request = new pb.CreateInstanceRequest();
    request.setInstanceid(id);
    request.setName(name);
    request.setInput(stringValue(JSON.stringify(size)));
    // A policy that lists no status: a repeated start must not replace what has ended meanwhile.
    // The SDK's client cannot send one.
    request.setOrchestrationidreusepolicy(new pb.OrchestrationIdReusePolicy());
    await this.#insist(async () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#stub.startInstance(request, (error) => {
        // An earlier attempt succeeded, though its answer was lost.
        if (error && error.code !== ALREADY_EXISTS) reject(error);
        else resolve();
      });
      await promise;
    });
  }

  raise(id: string, event: number): Promise<void> {
    return this.#insist(() => this.#client.raiseOrchestrationEvent(id, "number", event));
  }

  end(id: string, seconds: number) {
    return this.#client.waitForOrchestrationCompletion(id, true, seconds);
  }

  state(id: string) {
    return this.#insist(() => this.#client.getOrchestrationState(id, true));
  }

  history(id: string) {
    return this.#insist(() => this.#client.getOrchestrationHistory(id));
  }

  async stop(): Promise<void> {
    this.#stub.close();
    await this.#client.stop();
  }

  async #insist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (code(error) !== UNAVAILABLE) throw error;
        this.retries += 1;
        await pause(50);
      }
    }
  }
}

const ALREADY_EXISTS = 6;
const UNAVAILABLE = 14;

function code(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The same numbers for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}
