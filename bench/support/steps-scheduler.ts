/** The embedded scheduler in its own process. It counts the bytes of the histories that it sends. */

import { serviceDefinition } from "../../src/scheduler/grpc/service.ts";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { Child, obey } from "./child.ts";

/** Messages of the history call, without gRPC framing. */
export interface HistorySent {
  readonly bytes: number;
  readonly chunks: number;
}

/** The bench's handle on that process. */
export class StepsScheduler {
  readonly child: Child;
  readonly address: string;

  static async start(core: number): Promise<StepsScheduler> {
    const child = Child.start("support/steps-scheduler.ts", { core });
    return new StepsScheduler(child, await child.ask("listen"));
  }

  private constructor(child: Child, address: string) {
    this.child = child;
    this.address = address;
  }

  sent = () => this.child.ask<HistorySent>("sent");
  stop = () => this.child.stop();
}

interface Method {
  responseSerialize(message: unknown): Buffer;
}

const sent = { bytes: 0, chunks: 0 };

function countHistories(): void {
  const method = serviceDefinition.streamInstanceHistory as unknown as Method;
  const serialize = method.responseSerialize;
  method.responseSerialize = (message) => {
    const bytes = serialize(message);
    sent.bytes += bytes.length;
    sent.chunks += 1;
    return bytes;
  };
}

async function listen(): Promise<string> {
  countHistories();
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
  const { address } = await startScheduler({ port: 0, database: ":memory:", logger });
  return address;
}

if (process.argv[1] === import.meta.filename) obey({ listen, sent: () => sent });
