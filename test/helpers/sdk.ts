import {
  NoOpLogger,
  type OrchestrationContext,
  type Task,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
  type TOrchestrator,
} from "@microsoft/durabletask-js";
import { onEnd } from "./lifetime.ts";

type Generator = AsyncGenerator<Task<unknown>, unknown, never>;

/** Code of a worker that is not ours. */
export interface ForeignCode {
  readonly orchestrators: Record<
    string,
    (context: OrchestrationContext, input: never) => Generator
  >;
  readonly activities?: Record<string, (context: unknown, input: never) => unknown>;
}

/** The SDK's own client on a scheduler's address; closed with the test. */
export function sdkClient(hostAddress: string): TaskHubGrpcClient {
  const client = new TaskHubGrpcClient({ hostAddress, logger: new NoOpLogger() });
  onEnd(() => void client.stop());
  return client;
}

/** The SDK's own worker with the test's code; stopped with the test. */
export async function startSdkWorker(hostAddress: string, code: ForeignCode): Promise<void> {
  const worker = createSdkWorker(hostAddress, code);
  await worker.start();
  onEnd(() => worker.stop());
}

/** The same, to be started and stopped by the caller. */
export function createSdkWorker(hostAddress: string, code: ForeignCode): TaskHubGrpcWorker {
  const worker = new TaskHubGrpcWorker({
    hostAddress,
    logger: new NoOpLogger(),
    shutdownTimeoutMs: 500,
  });
  for (const [name, run] of Object.entries(code.orchestrators)) {
    worker.addNamedOrchestrator(name, run as unknown as TOrchestrator);
  }
  for (const [name, run] of Object.entries(code.activities ?? {})) {
    worker.addNamedActivity(name, run as never);
  }
  return worker;
}
