import { randomUUID } from "node:crypto";
import type { History } from "../../../client/client.ts";
import type { OperationDocument } from "../../../client/wire.ts";
import type { Random } from "../random.ts";
import { type Order, totalOf } from "../system/foreign-worker.ts";
import type { Patient } from "./patient.ts";

/** An operation of a soak, and what its result must be. */
export interface Started {
  readonly id: string;
  /** What is wrong with its terminal state, if anything. */
  wrongResult(document: OperationDocument): string | undefined;
}

/** Starts operations, of the sample and of a foreign worker, through the proxy, until the answer is there. */
export class Operations {
  readonly #patient: Patient;
  readonly #random: Random;
  readonly all: Started[] = [];

  constructor(patient: Patient, random: Random) {
    this.#patient = patient;
    this.#random = random;
  }

  /** Each is started once, however often the request has to be repeated. */
  async start(): Promise<void> {
    const isSample = this.#random.chance(50);
    const seconds = this.#random.integer(1, 6);
    const steps = this.#random.integer(1, 3 * seconds);
    const order: Order = { rounds: steps, pauseMs: Math.round((seconds * 1000) / steps) };
    const [path, body] = isSample
      ? ["/api/start-operation", { processing_time: seconds, steps }]
      : ["/api/operations", { name: "soak_order", input: order }];
    const response = await this.#patient.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": randomUUID() },
      body: JSON.stringify(body),
    });
    const { operation_id: id } = (await response.json()) as { operation_id: string };
    this.all.push({
      id,
      wrongResult({ status, result, error }) {
        const got = `ended as ${status} with ${JSON.stringify(result ?? error)}`;
        if (status !== "Completed") return got;
        const isRight = isSample
          ? (result as { result?: string })?.result === `Operation ${id} completed successfully`
          : (result as { total?: number })?.total === totalOf(order);
        return isRight ? undefined : got;
      },
    });
  }

  /** One of the newest. */
  pick(random: Random, ofTheLast: number): Started {
    return random.pick(this.all.slice(-ofTheLast));
  }

  /** Waits for the end of each. @returns what is wrong */
  async check(onChecked: () => void): Promise<string[]> {
    const problems: string[] = [];
    for (const { id, wrongResult } of this.all) {
      const document = await this.#terminal(id);
      const wrong = wrongResult(document);
      if (wrong) problems.push(`${id} ${wrong}`);
      onChecked();
    }
    return problems;
  }

  /** Number of steps in the history of an operation. */
  async stepsOf(id: string): Promise<number> {
    const response = await this.#patient.request(`/api/operations/${id}/history`);
    return ((await response.json()) as History).steps.length;
  }

  async #terminal(id: string): Promise<OperationDocument> {
    for (let tag = ""; ; ) {
      const headers = { prefer: "wait=5", ...(tag && { "if-none-match": tag }) };
      const response = await this.#patient.request(`/api/operations/${id}`, { headers });
      tag = response.headers.get("etag") ?? tag;
      if (response.status === 304) continue;
      const document = (await response.json()) as OperationDocument;
      if (document.completed_at || document.status === "Completed") return document;
      if (["Failed", "TERMINATED", "CANCELED"].includes(document.status)) return document;
    }
  }
}
