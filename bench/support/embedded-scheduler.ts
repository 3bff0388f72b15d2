/** The embedded scheduler in its own process. It counts the bytes of the histories that it sends. */

import { serviceDefinition } from "../../src/scheduler/grpc/service.ts";
import { type RunningScheduler, startScheduler } from "../../src/scheduler/scheduler.ts";
import { Child, obey } from "./child.ts";

/** Messages of the history call, without gRPC framing. */
export interface HistorySent {
  readonly bytes: number;
  readonly chunks: number;
}

/** The bench's handle on that process. */
export class EmbeddedScheduler {
  readonly child: Child;
  readonly address: string;

  /** @param core see `Child` */
  static async start(database: string, core?: number): Promise<EmbeddedScheduler> {
    const options = core === undefined ? {} : { core };
    const child = Child.start("support/embedded-scheduler.ts", options);
    return new EmbeddedScheduler(child, await child.ask("listen", database));
  }

  private constructor(child: Child, address: string) {
    this.child = child;
    this.address = address;
  }

  sent = () => this.child.ask<HistorySent>("sent");

  /** Closes the database, so that its file holds everything, and ends the process. */
  async close(): Promise<void> {
    await this.child.ask("close");
    await this.child.stop();
  }
}

interface Method {
  responseSerialize(message: unknown): Buffer;
}

const sent = { bytes: 0, chunks: 0 };
let scheduler: RunningScheduler;

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

async function listen(database: string): Promise<string> {
  countHistories();
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
  scheduler = await startScheduler({ port: 0, database, logger });
  return scheduler.address;
}

if (process.argv[1] === import.meta.filename) {
  obey({ listen, sent: () => sent, close: () => scheduler.close() });
}
