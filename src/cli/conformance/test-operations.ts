import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Skipped } from "./expect.ts";
import type { Server } from "./server.ts";
import { type Document, isTerminal } from "./wire.ts";

/** The sample's orchestration, where the command line names no other. */
const SAMPLE = { name: "async_http_api_orchestrator", input: { processing_time: 1, steps: 2 } };
/** How far an operation that stays as it is puts off its start. */
const PUT_OFF_MS = 3_600_000;
const READ_EVERY_MS = 100;
/** How long the end of a run waits for an operation to be terminated, so that it can be purged. */
const CLEAN_UP_MS = 5000;

export interface Orchestration {
  /** Default: that of the sample, with an input of its own. */
  readonly name?: string | undefined;
  readonly input?: unknown;
}

/** An operation that many checks share, or why there is none. */
type Prepared = Document | Skipped;

/** The operations that a run starts, all with one prefix, and purges at its end. */
export class TestOperations {
  /** What the ids of this run begin with. */
  readonly prefix = `conformance-${randomBytes(5).toString("hex")}-`;
  readonly name: string;
  readonly input: unknown;
  readonly #ids: string[] = [];
  #ended: Prepared = new Skipped("not started");
  #terminated: Prepared = new Skipped("not started");
  #quiet: Prepared = new Skipped("not started");

  constructor({ name, input }: Orchestration) {
    this.name = name ?? SAMPLE.name;
    this.input = name === undefined && input === undefined ? SAMPLE.input : input;
  }

  /** Starts what checks share. What does not come about is the reason why they are skipped. */
  async prepare(server: Server): Promise<void> {
    const prepared = async (start: () => Promise<Document>): Promise<Prepared> =>
      start().catch((error: Error) => new Skipped(error.message));
    [this.#ended, this.#terminated, this.#quiet] = await Promise.all([
      prepared(async () => {
        const id = await this.#start(server, this.nextId());
        return terminalState(server, id, `operation ${id} to end: does a worker run it?`);
      }),
      prepared(async () => {
        const id = await this.startQuiet(server);
        const json = { reason: "conformance" };
        await server.expect(202, `api/operations/${id}/terminate`, { method: "POST", json });
        return terminalState(server, id, `operation ${id} to be terminated before its start`);
      }),
      prepared(async () => stateOf(server, await this.startQuiet(server))),
    ]);
  }

  /** An operation that ran to its end. */
  get ended(): Document {
    return available(this.#ended);
  }

  /** An operation that was terminated. */
  get terminated(): Document {
    return available(this.#terminated);
  }

  /** An active operation that stays as it is. */
  get quiet(): Document {
    return available(this.#quiet);
  }

  /** An id for an operation, which is purged at the end. */
  nextId(): string {
    const id = `${this.prefix}${this.#ids.length + 1}`;
    this.adopt(id);
    return id;
  }

  /** Has an operation with another id purged at the end. */
  adopt(id: string): void {
    this.#ids.push(id);
  }

  /** The body of a start. */
  body(further: object = {}): object {
    const { name, input } = this;
    return { name, ...(input !== undefined && { input }), ...further };
  }

  /** What makes a start one that stays as it is. */
  putOff(): { readonly start_at: string } {
    return { start_at: new Date(Date.now() + PUT_OFF_MS).toISOString() };
  }

  /** @throws Skipped if operations do not run to their end here */
  requireWorker(): void {
    available(this.#ended);
  }

  /** Starts an operation that runs to its end. */
  async startLive(server: Server): Promise<string> {
    this.requireWorker();
    return this.#start(server, this.nextId());
  }

  /** Starts an operation that stays as it is until it is terminated. */
  async startQuiet(server: Server): Promise<string> {
    return this.#start(server, this.nextId(), this.putOff());
  }

  /** Terminates an operation that `startQuiet` has started. */
  async terminate(server: Server, id: string): Promise<void> {
    available(this.#terminated);
    const json = { reason: "conformance" };
    await server.expect(202, `api/operations/${id}/terminate`, { method: "POST", json });
  }

  /** Purges what the run has started, as far as the credential permits it. */
  async cleanUp(server: Server): Promise<void> {
    await Promise.all(this.#ids.map((id) => purge(server, id).catch(() => undefined)));
  }

  async #start(server: Server, operation_id: string, further: object = {}): Promise<string> {
    const json = this.body({ operation_id, ...further });
    await server.expect(202, "api/operations", { method: "POST", json });
    return operation_id;
  }
}

export async function stateOf(server: Server, id: string): Promise<Document> {
  const { body } = await server.expect(200, `api/operations/${id}`);
  return body as Document;
}

async function terminalState(server: Server, id: string, what: string): Promise<Document> {
  try {
    for (;;) {
      const document = await stateOf(server, id);
      if (isTerminal(document)) return document;
      await delay(READ_EVERY_MS, undefined, { signal: server.signal });
    }
  } catch (error) {
    throw server.signal.aborted ? new Skipped(`waited in vain for ${what}`) : error;
  }
}

async function purge(server: Server, id: string): Promise<void> {
  const until = performance.now() + CLEAN_UP_MS;
  const path = `api/operations/${id}`;
  for (let isFirst = true; performance.now() < until; isFirst = false) {
    const { status } = await server.request(path, { method: "DELETE" });
    if (status !== 409) return;
    if (isFirst) await server.request(`${path}/terminate`, { method: "POST", json: {} });
    await delay(READ_EVERY_MS, undefined, { signal: server.signal });
  }
}

function available(prepared: Prepared): Document {
  if (prepared instanceof Skipped) throw prepared;
  return prepared;
}
