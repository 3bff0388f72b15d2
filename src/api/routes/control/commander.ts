import type { FastifyReply, FastifyRequest } from "fastify";
import { type Access, unrestricted } from "../../../access.ts";
import { SchedulerError } from "../../../dts/scheduler-error.ts";
import { OperationNotFoundError, ProblemError, ValuesRejectedError } from "../../../problems.ts";
import type { StreamContext } from "../../../streaming/delivery/stream-context.ts";
import type { Operation } from "../../../streaming/operation/operation.ts";
import { etag } from "../../request/conditions.ts";
import { operationUrls } from "../../request/operation-urls.ts";

/** The states in which a command is possible. */
export interface AllowedStates {
  /** Completes "it can be … only …". */
  readonly when: string;
  includes(operation: Operation): boolean;
}

export const WHILE_ACTIVE: AllowedStates = {
  when: "while it is active",
  includes: ({ terminal }) => !terminal,
};
export const WHEN_TERMINAL: AllowedStates = {
  when: "after its end",
  includes: ({ terminal }) => terminal,
};
export const WHEN_FAILED: AllowedStates = {
  when: "after it has failed",
  includes: ({ status }) => status === "Failed",
};
export const ALWAYS: AllowedStates = { when: "", includes: () => true };

/** Something that a client does to one operation. */
export interface Command<Result> {
  /** Completes "it can be … only …". */
  readonly done: string;
  readonly allowed: AllowedStates;
  /**
   * Sends it to the scheduler.
   * @param before the state before it
   * @returns `refused` where the scheduler has done nothing, because of the operation's state
   */
  send(before: Operation): Promise<Result | "refused">;
  /** Whether a state shows its effect; default: any change is taken for it. */
  isShown?(after: Operation | undefined, before: Operation): boolean;
}

/** A command that the scheduler has accepted. */
export interface Accepted<Result> {
  readonly before: Operation;
  readonly result: Result;
}

/**
 * Carries out commands for operations.
 *   CONTROL-1. A command needs `operations:control` for its operation, and no right to read it.
 *   CONTROL-2. The state is read before, since schedulers accept in silence what has no effect: an event
 *       for a terminal operation. In between it may change; then the scheduler has the last word.
 *   CONTROL-3. What was accepted is announced, so that subscribers see its effect at once.
 */
export class Commander {
  readonly #streams: StreamContext;

  constructor(streams: StreamContext) {
    this.#streams = streams;
  }

  /**
   * @throws OperationNotFoundError, ForbiddenError, WrongStateError, ValuesRejectedError, SchedulerError
   */
  async run<Result>(
    id: string,
    access: Access,
    { done, allowed, send, isShown }: Command<Result>,
  ): Promise<Accepted<Result>> {
    access.checkControl(id); // CONTROL-1
    const before = await this.#read(id, access);
    if (!allowed.includes(before)) throw new WrongStateError(done, before, allowed); // CONTROL-2
    const result = await send(before).catch((error: unknown) => {
      const kind = error instanceof SchedulerError ? error.kind : undefined;
      if (kind === "wrong-state") return "refused" as const;
      if (kind === "not-found") throw new OperationNotFoundError(id);
      throw kind === "invalid" ? new ValuesRejectedError(error) : error;
    });
    if (result === "refused") {
      throw new WrongStateError(done, await this.#read(id, access), allowed);
    }
    this.#streams.changed(id, isShown && ((after) => isShown(after, before))); // CONTROL-3
    return { before, result };
  }

  /** Answers with the operation's state now, as far as the caller may read it. */
  async answer(request: FastifyRequest, reply: FastifyReply, before: Operation): Promise<void> {
    const { id } = before;
    const urls = operationUrls(id, request.server.prefix);
    reply.code(202).header("location", urls.status_url);
    if (!request.access.mayRead(id)) {
      await reply.send({ operation_id: id, ...urls });
      return;
    }
    // What was accepted is not taken back because it cannot be read.
    const { watches } = this.#streams;
    const now = await watches.read(id, { access: request.access }).catch(() => before);
    reply.header("etag", etag(now.cursor)).type("application/json");
    await reply.send(now.json);
  }

  #read(id: string, { caller }: Access): Promise<Operation> {
    return this.#streams.watches.read(id, { access: unrestricted(caller) });
  }
}

/** The operation's state does not allow the command. */
export class WrongStateError extends ProblemError {
  constructor(done: string, operation: Operation, allowed: AllowedStates) {
    const { id, status } = operation;
    // A scheduler may refuse for reasons of its own: a rewind of activities with retries, for one.
    const reason = allowed.includes(operation)
      ? `The scheduler does not allow it to be ${done} now.`
      : `It can be ${done} only ${allowed.when}.`;
    const members = { operation_id: id, operation_status: status };
    super("wrong-state", 409, `Operation ${id} is ${status}. ${reason}`, members);
  }
}
