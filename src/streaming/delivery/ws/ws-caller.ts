import { type Access, ForbiddenError, UnauthenticatedError } from "../../../access.ts";
import { ProblemError } from "../../../problems.ts";

/**
 * Finds out whose a token is.
 * @param present who the client is so far: where no credentials are configured it stays the same
 * @throws ProblemError
 */
export type VerifyToken = (token: string, present: Access) => Promise<Access>;

/** What a caller needs of its connection. */
export interface WsCallerOwner {
  /** Stops reading from the client, and goes on. */
  pause(): void;
  resume(): void;
  /** It is known who the client is. */
  onKnown(): void;
  /** Its credential was renewed: it may do more or less than before. */
  onRenewed(): void;
  /** A renewal was refused. The client goes on with the credential that it has. */
  onRenewalRefused(problem: ProblemError): void;
  /** The connection has to close. */
  onRejected(problem: ProblemError): void;
}

/** How long a client may take for its first `auth`, where it needs one. */
const AUTH_WITHIN_MS = 10_000;

/**
 * Who the client of one WebSocket is, which its request or its first message says.
 *   WS-AUTH-1. Until that is known nothing but `auth` is carried out, and for 10 s at most.
 *   WS-AUTH-2. Messages behind an `auth` wait for its outcome. Nothing is read meanwhile, so that those
 *       that wait are what had been read already.
 *   WS-AUTH-3. A connection stays with its caller: a credential of another one is refused.
 */
export class WsCaller {
  readonly #verify: VerifyToken;
  readonly #owner: WsCallerOwner;
  readonly #authByMs: number;
  #access: Access;
  /** What waits, while a token is being verified. */
  #waiting: (() => void)[] | undefined;

  /** @param nowMs of `performance.now()` */
  constructor(access: Access, verify: VerifyToken, owner: WsCallerOwner, nowMs: number) {
    this.#access = access;
    this.#verify = verify;
    this.#owner = owner;
    this.#authByMs = nowMs + AUTH_WITHIN_MS;
  }

  get access(): Access {
    return this.#access;
  }

  /** Whether the client may do anything but `auth`. */
  get isKnown(): boolean {
    return this.#access.has("operations:read");
  }

  /** @param nowMs of `performance.now()` */
  isLate(nowMs: number): boolean {
    return !this.isKnown && !this.#waiting && nowMs >= this.#authByMs;
  }

  /** Carries out what the client has sent, now or behind the `auth` before it (WS-AUTH-2). */
  inOrder(carryOut: () => void): void {
    if (this.#waiting) this.#waiting.push(carryOut);
    else carryOut();
  }

  /** Takes the token of an `auth` message. Never rejects. */
  async authenticate(token: string): Promise<void> {
    const waiting: (() => void)[] = [];
    this.#waiting = waiting;
    this.#owner.pause();
    try {
      this.#take(await this.#verify(token, this.#access));
    } catch (error) {
      this.#refuse(error);
    }
    this.#waiting = undefined;
    this.#owner.resume();
    for (const each of waiting) this.inOrder(each);
  }

  #take(access: Access): void {
    if (!access.has("operations:read")) throw new ForbiddenError("operations:read");
    const isRenewal = this.isKnown;
    if (isRenewal && access.caller !== this.#access.caller) throw new OtherCallerError(); // WS-AUTH-3
    this.#access = access;
    if (isRenewal) this.#owner.onRenewed();
    else this.#owner.onKnown();
  }

  #refuse(error: unknown): void {
    const problem =
      error instanceof ProblemError ? error : new UnauthenticatedError("The token is not valid.");
    const isFinal = !this.isKnown || problem instanceof ForbiddenError;
    if (isFinal) this.#owner.onRejected(problem);
    else this.#owner.onRenewalRefused(problem);
  }
}

/** The token of a renewal is another caller's. */
class OtherCallerError extends ProblemError {
  constructor() {
    const detail = "A connection stays with its caller. Open another one for this credential.";
    super("other-caller", 403, detail);
  }
}
