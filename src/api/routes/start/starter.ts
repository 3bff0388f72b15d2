import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Access, ForbiddenError } from "../../../access.ts";
import type { SchedulerClient } from "../../../dts/client.ts";
import type { NewOrchestration } from "../../../dts/commands.ts";
import { SchedulerError } from "../../../dts/scheduler-error.ts";
import { ProblemError, SchedulerProblemError, ValuesRejectedError } from "../../../problems.ts";
import { waitForEnd } from "../../../streaming/delivery/long-poll.ts";
import { openOperationStream } from "../../../streaming/delivery/sse/sse-operation.ts";
import type { StreamContext } from "../../../streaming/delivery/stream-context.ts";
import { isStarted } from "../../../streaming/operation/announced.ts";
import { answerWithStream } from "../../http/event-stream.ts";
import { refusePipelined } from "../../http/unanswered-requests.ts";
import { wantsEventStream } from "../../request/accept.ts";
import { etag, parseWait } from "../../request/conditions.ts";
import { idOfKey, parseIdempotencyKey } from "../../request/idempotency-key.ts";
import { operationUrls } from "../../request/operation-urls.ts";
import { retryAfterS } from "../../request/retry-after.ts";
import { whileConnected } from "../../request/while-connected.ts";
import { isSameStart } from "./stored-start.ts";

/** What starting needs of the rest of the system. */
export interface StarterOptions {
  readonly scheduler: {
    startOrchestration(start: NewOrchestration): Promise<void>;
  };
  /** What is stored, without masks: to be compared, never to be shown. */
  readonly stored: Pick<SchedulerClient, "getInstance">;
  readonly streams: StreamContext;
}

/** What a client asks to be started. */
export interface StartWanted extends Omit<NewOrchestration, "id" | "input"> {
  /** The id that the client has chosen, if it has. */
  readonly chosenId: string | undefined;
  /** JSON. */
  inputOf(id: string): string | undefined;
}

/** Starts an operation, and answers as the client wants to be answered. */
export type Start = (
  request: FastifyRequest,
  reply: FastifyReply,
  wanted: StartWanted,
) => Promise<FastifyReply>;

/**
 * The ways to start an operation, which differ only in what is started.
 *   START-1. One key of one owner makes one operation, at whatever replicas its requests arrive and
 *       however often: its id follows from the key, and the scheduler accepts an id once.
 *   START-2. A stream, or a wait, subscribes before the operation's first read: it misses no state.
 */
export function createStarter({ scheduler, stored, streams }: StarterOptions): Start {
  const { watches, connections } = streams;

  return async (request, reply, { chosenId, inputOf, ...wanted }) => {
    const { access } = request;
    const key = parseIdempotencyKey(request.headers["idempotency-key"]);
    const id = idFor(access, wanted.name, chosenId, key);
    access.checkStart(wanted.name, id);
    request.startedId = id;
    const streamed = wantsEventStream(request.headers.accept);
    if (streamed && !access.mayRead(id)) throw new ForbiddenError("operations:read");
    if (streamed && !reply.raw.socket) return refusePipelined(reply, "stream");

    const orchestration = { ...wanted, id, input: inputOf(id) };
    const replayed = await startOnce(orchestration, chosenId, key);
    if (replayed) reply.header("idempotency-replayed", "true");
    reply.header("location", operationUrls(id, request.server.prefix).status_url);
    // It subscribes at once, so that the announcement reaches the watcher (START-2).
    const answered = streamed ? stream(id, request, reply) : answer(id, request, reply);
    streams.changed(id, isStarted);
    return answered;
  };

  /** @returns whether an earlier request with this key has started it (START-1) */
  async function startOnce(
    start: NewOrchestration,
    chosenId: string | undefined,
    key: string | undefined,
  ): Promise<boolean> {
    const { id } = start;
    try {
      await scheduler.startOrchestration(start);
      return false;
    } catch (error) {
      const kind = error instanceof SchedulerError ? error.kind : "failed";
      if (kind === "invalid") throw new ValuesRejectedError(error);
      // Without any answer the operation may exist, so the client gets its id.
      if (kind !== "already-exists") throw new SchedulerProblemError(error, { operation_id: id });
    }
    if (chosenId !== undefined) throw new OperationExistsError(id);
    // A random id is in use only by our own call, which the channel repeats if its answer is lost.
    if (key === undefined) return false;
    // The caller may start it, and need not be one that may read it.
    await watches.permit();
    const found = await stored.getInstance(id).catch((error) => {
      throw new SchedulerProblemError(error, { operation_id: id });
    });
    // It was purged since, or reads lag: a repetition finds out.
    if (!found) throw new SchedulerProblemError(undefined, { operation_id: id });
    if (!isSameStart(found, start)) throw new KeyReusedError(id);
    return true;
  }

  function stream(id: string, request: FastifyRequest, reply: FastifyReply) {
    return answerWithStream(streams, request, reply, {
      hasRoom: (client) => watches.hasRoomFor(client, 1),
      open: (client) => openOperationStream(streams, client, { id, after: undefined }),
    });
  }

  async function answer(
    id: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { access } = request;
    const hasRoom = connections.hasRoomFor({ access }) && watches.hasRoomFor({ access }, 1);
    const waitS = hasRoom && access.mayRead(id) ? parseWait(request.headers.prefer) : undefined;
    if (waitS) {
      reply.header("preference-applied", `wait=${waitS}`);
      const ended = await whileConnected(request, (left) =>
        waitForEnd(streams, id, waitS * 1000, left, { access }),
      );
      if (ended) {
        reply.header("etag", etag(ended.cursor)).type("application/json");
        return reply.send(ended.json);
      }
    }
    reply.header("retry-after", retryAfterS(watches.intervalMs(id)));
    return reply.code(202).send({ operation_id: id, ...operationUrls(id, request.server.prefix) });
  }
}

/** @throws ForbiddenError, ProblemError `invalid-request` */
function idFor(
  access: Access,
  name: string,
  chosenId: string | undefined,
  key: string | undefined,
): string {
  if (chosenId === undefined) {
    const prefix = access.startPrefix(name);
    return prefix + (key === undefined ? randomUUID() : idOfKey(access.keyOwner, name, key));
  }
  if (key === undefined) return chosenId;
  const detail =
    "operation_id and Idempotency-Key exclude each other: each makes a start safe to repeat.";
  throw new ProblemError("invalid-request", 400, detail);
}

class OperationExistsError extends ProblemError {
  constructor(id: string) {
    const detail =
      `An operation ${id} exists. If this request repeats a start, it is the operation that was ` +
      "started; otherwise choose another id.";
    super("operation-exists", 409, detail, { operation_id: id });
  }
}

class KeyReusedError extends ProblemError {
  constructor(id: string) {
    const detail =
      "This Idempotency-Key has started an operation with another input, version, tags or start_at. " +
      "Repeat a start with the same body, and use a new key for each new start.";
    super("idempotency-key-reused", 422, detail, { operation_id: id });
  }
}
