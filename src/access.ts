import { OperationNotFoundError, ProblemError } from "./problems.ts";

/** One kind of permission, as credentials name it. */
export const SCOPES = [
  "operations:read",
  "operations:start",
  "operations:control",
  "streams:token",
  "hints:send",
] as const;
export type Scope = (typeof SCOPES)[number];

/** A permission, for everything or narrowed. */
export interface Grant {
  readonly scope: Scope;
  /** Only operations whose id begins with this. */
  readonly prefix?: string;
  /** Only these operations. */
  readonly ids?: ReadonlySet<string>;
  /** Only orchestrations of this name; for `operations:start`. */
  readonly name?: string;
}

/** By what a caller was identified; `none` where no credentials are configured, or none is needed. */
export type Authentication = "none" | "key" | "token" | "stream-token";

/** Who is calling, by which credential. */
export interface Caller {
  /** For quotas, fairness and logs: the credential's name, or the network address. */
  readonly caller: string;
  readonly authentication: Authentication;
  readonly grants: readonly Grant[];
  /** Epoch milliseconds at which the credential ends; `undefined` for never. */
  readonly expiresAtMs?: number | undefined;
}

/**
 * What one caller may do. Every entrance to operations takes one as an argument, so that a new route
 * cannot forget to ask.
 *   ACCESS-3. An operation that a caller may not read does not exist for it: the answer is that for an
 *       unknown id. It comes without a read, and so sooner, which shows only what the caller's own
 *       credential permits: whether the operation exists is never found out.
 */
export class Access {
  readonly caller: string;
  readonly authentication: Authentication;
  /** Whose idempotency keys its keys are: the same at every replica, from wherever it calls. */
  readonly keyOwner: string;
  readonly grants: readonly Grant[];
  readonly expiresAtMs: number | undefined;
  #revoked = false;

  constructor({ caller, authentication, grants, expiresAtMs }: Caller) {
    this.caller = caller;
    this.authentication = authentication;
    // Without a credential, `caller` may differ from one request to the next.
    this.keyOwner = authentication === "none" ? "" : caller;
    this.grants = grants;
    this.expiresAtMs = expiresAtMs;
  }

  /** The credential was withdrawn before its time. */
  revoke(): void {
    this.#revoked = true;
  }

  /** Whether the credential has expired or was revoked. @param nowMs epoch milliseconds */
  hasEnded(nowMs: number): boolean {
    return this.#revoked || (this.expiresAtMs !== undefined && nowMs >= this.expiresAtMs);
  }

  /** Whether the caller has this permission for anything at all. */
  has(scope: Scope): boolean {
    return this.grants.some((grant) => grant.scope === scope);
  }

  mayRead(id: string): boolean {
    return this.#covers("operations:read", id);
  }

  /** Whether the caller may read every operation whose id begins with `prefix`. */
  mayReadAll(prefix: string): boolean {
    return this.#coversAll("operations:read", prefix);
  }

  /** @throws OperationNotFoundError */
  checkRead(id: string): void {
    if (!this.mayRead(id)) throw new OperationNotFoundError(id); // ACCESS-3
  }

  /** @throws ForbiddenError where it may not read every operation whose id begins with `prefix` */
  checkReadAll(prefix: string): void {
    this.#checkAll("operations:read", prefix);
  }

  /** @throws OperationNotFoundError where the caller may not even read it, ForbiddenError */
  checkControl(id: string): void {
    if (this.#covers("operations:control", id)) return;
    this.checkRead(id);
    throw new ForbiddenError("operations:control");
  }

  /** @throws ForbiddenError where it may not control every operation whose id begins with `prefix` */
  checkControlAll(prefix: string): void {
    this.#checkAll("operations:control", prefix);
  }

  /** @throws ForbiddenError where it may not start orchestrations of this name under this id */
  checkStart(name: string, id: string): void {
    const may = this.grants.some(
      (grant) =>
        grant.scope === "operations:start" &&
        (grant.name === undefined || grant.name === name) &&
        coversId(grant, id),
    );
    if (!may) throw new ForbiddenError("operations:start");
  }

  /**
   * How the id of an operation begins that this caller starts without choosing its id; "" where any id
   * will do. The same for the same grants in any order.
   * @throws ForbiddenError where it may start none of this name, or only under ids that it chooses
   */
  startPrefix(name: string): string {
    const prefixes = this.grants
      .filter((grant) => grant.scope === "operations:start" && grant.ids === undefined)
      .filter((grant) => grant.name === undefined || grant.name === name)
      .map(({ prefix = "" }) => prefix)
      .filter((prefix) => prefix.length <= MAX_START_PREFIX);
    const [first] = prefixes.sort();
    if (first === undefined) throw new ForbiddenError("operations:start");
    return first;
  }

  #covers(scope: Scope, id: string): boolean {
    return this.grants.some((grant) => grant.scope === scope && coversId(grant, id));
  }

  #coversAll(scope: Scope, prefix: string): boolean {
    return this.grants.some(
      (grant) =>
        grant.scope === scope && grant.ids === undefined && prefix.startsWith(grant.prefix ?? ""),
    );
  }

  #checkAll(scope: Scope, prefix: string): void {
    if (this.#coversAll(scope, prefix)) return;
    throw new ForbiddenError(scope, formatGrant({ scope, prefix }));
  }
}

function coversId({ prefix, ids }: Grant, id: string): boolean {
  return (prefix === undefined || id.startsWith(prefix)) && (ids === undefined || ids.has(id));
}

/** A generated id, of up to 36 characters, must fit behind it. */
const MAX_START_PREFIX = 64;

const EVERYTHING: readonly Grant[] = SCOPES.map((scope) => ({ scope }));

/** A caller that may do everything: where no credentials are configured, and this process itself. */
export function unrestricted(caller: string): Access {
  return new Access({ caller, authentication: "none", grants: EVERYTHING });
}

/** A caller that is not known, and may do nothing. */
export function unknownCaller(caller: string): Access {
  return new Access({ caller, authentication: "none", grants: [] });
}

/** A name with `*` at its end is none: it would not be the pattern that it looks like. */
const NARROWED =
  /^(operations:(?:read|start|control)):(?:name=(?<name>.*[^*])|(?!name=)(?<prefix>.*)\*)$/s;

/**
 * One permission as credentials name it: a scope, `<scope>:<prefix>*` for operations whose ids begin
 * with the prefix, or `operations:start:name=<orchestration>`. `undefined` for anything else.
 */
export function parseGrant(text: string): Grant | undefined {
  const scope = text as Scope;
  if (SCOPES.includes(scope)) return { scope };
  const match = NARROWED.exec(text);
  const { prefix, name } = match?.groups ?? {};
  const narrowed = match?.[1] as Scope;
  if (prefix !== undefined) return { scope: narrowed, prefix };
  return name !== undefined && narrowed === "operations:start"
    ? { scope: narrowed, name }
    : undefined;
}

/** The reverse of `parseGrant`. Of a grant for certain operations it shows the scope alone. */
export function formatGrant({ scope, prefix, name }: Grant): string {
  if (prefix !== undefined) return `${scope}:${prefix}*`;
  return name === undefined ? scope : `${scope}:name=${name}`;
}

/** The caller is known, and may not do this. @see RFC 6750, section 3.1 */
export class ForbiddenError extends ProblemError {
  /** @param needed the permission, where it is not the whole scope */
  constructor(scope: Scope, needed: string = scope) {
    const detail = `This credential does not permit this request: it needs ${needed}.`;
    const challenge = `Bearer error="insufficient_scope", scope="${scope}"`;
    super("forbidden", 403, detail, { headers: { "www-authenticate": challenge }, scope: needed });
  }
}

/** No caller was identified by the request, or by what it carries. @see RFC 6750, section 3 */
export class UnauthenticatedError extends ProblemError {
  /** Whether the credential may be a guess: not so what was valid once, or could not be found by guessing. */
  readonly guessed: boolean;

  /** @param invalid what is wrong with the credential, without quotes; default: there is none */
  constructor(invalid?: string, { guessed = true } = {}) {
    const detail = invalid ?? "This needs a credential. Send one as Authorization: Bearer.";
    const error = invalid && `, error="invalid_token", error_description="${invalid}"`;
    const challenge = `Bearer realm="dts-push"${error ?? ""}`;
    super("unauthenticated", 401, detail, { headers: { "www-authenticate": challenge } });
    this.guessed = guessed && invalid !== undefined;
  }
}

/** Whether a credential is valid cannot be found out at present. */
export class AuthenticationUnavailableError extends ProblemError {
  constructor() {
    const detail =
      "The token's issuer does not answer, so that the token cannot be verified. Try again.";
    super("authentication-unavailable", 503, detail, { retryAfterS: 5 });
  }
}
