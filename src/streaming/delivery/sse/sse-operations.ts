import type { Access } from "../../../access.ts";
import { OperationGoneError, OperationNotFoundError, type Problem } from "../../../problems.ts";
import { cursorResume, parseCursor } from "../../operation/cursor.ts";
import type { Operation } from "../../operation/operation.ts";
import { isTerminal } from "../../operation/operation-status.ts";
import type { StateEvent } from "../../operation/state-event.ts";
import {
  formatIds,
  formatWatermark,
  parseIds,
  parseWatermark,
  type Sent,
  scopeOf,
  type Watermark,
} from "../../operation/watermark.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import type { EndReason, Subscriber, Subscription } from "../../watching/subscription.ts";
import { ServiceOrder } from "../service-order.ts";
import type { StreamContext } from "../stream-context.ts";
import type { SseClient, SseConnection, StreamContent } from "./sse-connection.ts";
import { type ServerSentEvent, stateChunkUnder } from "./sse-format.ts";
import { type Opened, SseOpening } from "./sse-opening.ts";

/** Most operations of one stream. */
export const MAX_OPERATIONS = 200;

/** What a client wants to follow, and where it is. */
export interface OperationsWanted {
  /** Without repetitions, 1 to 200 of them. */
  readonly ids: readonly string[];
  /** The last cursors of some of them, as the client sent them: they count where it sent no watermark. */
  readonly cursors: ReadonlyMap<string, string>;
}

/**
 * Opens one stream for several operations.
 * @param after the last watermark of an earlier stream, as the client sent it
 * @returns `nothing-left` where all are terminal and the client has their last states: the response is 204
 */
export function openOperationsStream(
  context: StreamContext,
  client: SseClient,
  wanted: OperationsWanted,
  after: string | undefined,
): Promise<Opened> {
  return new OperationsStream(context, client, wanted, after).opened;
}

/** Several operations for one SSE client. Its ids are watermarks over all of them. */
class OperationsStream implements Subscriber, StreamContent, Requester {
  readonly access: Access;
  readonly resumed: boolean;
  readonly #context: StreamContext;
  readonly #opening: SseOpening;
  readonly #scope: string;
  /** In an order that does not depend on the request, for watermarks. */
  readonly #ids: readonly string[];
  /** The position of the client's earlier stream, and the operations that it is for. */
  readonly #resume: Watermark | undefined;
  readonly #resumedIds: ReadonlySet<string>;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #order = new ServiceOrder<Subscription>();
  /** Those that have not ended. */
  readonly #active: Set<Subscription>;
  readonly #failing = new Set<Subscription>();
  #missing = 0;
  /** Problems that an earlier stream reported already: alone they open no stream, but end in a 204. */
  readonly #repeated: ServerSentEvent[] = [];

  constructor(
    context: StreamContext,
    client: SseClient,
    { ids, cursors }: OperationsWanted,
    after: string | undefined,
  ) {
    this.access = client.access;
    this.#context = context;
    this.#scope = scopeOf("ids", ids);
    this.#ids = [...ids].sort();
    this.#opening = new SseOpening(client, this, context);
    const resume = parseWatermark(after, this.#scope, context.watches);
    const resumedIds = new Set(resume?.part ? parseIds(resume.part, this.#ids) : resume && ids);
    this.#resume = resume;
    this.#resumedIds = resumedIds;
    const point = resume && {
      covers: (operation: Operation) => resume.covers(operation, resumedIds.has(operation.id)),
    };
    const points = ids.map((id) => {
      const cursor = parseCursor(cursors.get(id), id);
      return point ?? (cursor && cursorResume(cursor));
    });
    this.resumed = points.every((each) => each !== undefined);
    this.#subscriptions = new Map(
      ids.map((id, index) => [id, context.watches.subscribe(id, this, points[index], this)]),
    );
    this.#active = new Set(this.#subscriptions.values());
    for (const subscription of this.#active) this.#order.add(subscription);
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get ready(): boolean {
    return this.#order.isFree(this.#opening.connection?.ready ?? true);
  }

  onEvent(event: StateEvent, subscription: Subscription): void {
    this.#order.add(subscription);
    const connection = this.#open();
    const chunk = stateChunkUnder(this.cursor(), event);
    connection.sendChunk(event.type, chunk, event.coalesced);
  }

  onUnchanged(subscription: Subscription): void {
    // If this ends the last subscription, the response can still be a 204.
    queueMicrotask(() => {
      if (!subscription.ended) this.#open();
    });
  }

  onEnd(reason: EndReason, subscription: Subscription): void {
    this.#order.delete(subscription);
    this.#active.delete(subscription);
    this.#failing.delete(subscription);
    if (reason !== "terminal") {
      this.#missing += 1;
      const { id } = subscription;
      const error = reason === "gone" ? new OperationGoneError(id) : new OperationNotFoundError(id);
      const event = this.#problemEvent(error.toProblem(), id);
      if (this.#resume && !this.#opening.connection) this.#repeated.push(event);
      else this.#open().send(event);
    }
    if (this.#active.size > 0) return;
    if (!this.#opening.connection) this.#opening.nothingLeft();
    else this.#open().bye(this.#missing < this.#subscriptions.size ? "terminal" : "gone");
  }

  onOutage(problem: Problem, subscription: Subscription): void {
    // One problem for all of them: it is the scheduler that does not answer.
    if (this.#failing.size === 0) this.#open().send(this.#problemEvent(problem, undefined));
    this.#failing.add(subscription);
  }

  onRecovered(subscription: Subscription): void {
    this.#failing.delete(subscription);
  }

  cursor(): string {
    const before = this.#resume?.throughMs ?? 0;
    let throughMs = Number.POSITIVE_INFINITY;
    let newestMs = before;
    let isUnread = false;
    const sent: Sent[] = [];
    for (const subscription of this.#subscriptions.values()) {
      const { id, position } = subscription;
      if (position) {
        sent.push({ id, ...position });
        newestMs = Math.max(newestMs, position.lastUpdatedAtMs + 1);
      }
      if (!this.#mayChange(subscription)) continue;
      isUnread ||= !position;
      if (!this.#isUpToDate(subscription)) continue;
      const seenMs = position ? this.#context.watches.safeThroughMs(id) : before;
      throughMs = Math.min(throughMs, Math.max(before, seenMs));
    }
    if (throughMs === Number.POSITIVE_INFINITY) throughMs = newestMs;
    const isWhole = [...this.#subscriptions.values()].every((each) => this.#isUpToDate(each));
    const part = isWhole
      ? undefined
      : formatIds(this.#ids, (id) => this.#isUpToDate(this.#subscriptions.get(id)));
    // Of those not read yet, the client has what its own watermark names.
    const seenBefore = isUnread ? this.#resume?.seen : [];
    return formatWatermark(this.#scope, throughMs, sent, seenBefore, part);
  }

  get subject() {
    return { operations: this.#ids.length };
  }

  asOfMs(): number | undefined {
    return this.#context.watches.asOfMs(this.#active);
  }

  onReady(): void {
    this.#order.flush(() => this.#opening.connection?.ready ?? false);
  }

  onClose(): void {
    for (const each of this.#subscriptions.values()) this.#context.watches.unsubscribe(each);
  }

  #mayChange(subscription: Subscription): boolean {
    const { position } = subscription;
    return this.#active.has(subscription) && !(position && isTerminal(position.status));
  }

  /** Whether nothing waits to be sent of an operation: what the watermark says holds for it. */
  #isUpToDate(subscription: Subscription | undefined): boolean {
    if (!subscription || !this.#active.has(subscription)) return true;
    if (subscription.pending) return false;
    return subscription.position !== undefined || this.#resumedIds.has(subscription.id);
  }

  #open(): SseConnection {
    const connection = this.#opening.open();
    for (const event of this.#repeated.splice(0)) connection.send(event);
    return connection;
  }

  #problemEvent(problem: Problem, operationId: string | undefined): ServerSentEvent {
    const data = JSON.stringify({ type: "problem", operation_id: operationId, problem });
    return { event: "problem", id: this.cursor(), data };
  }
}
