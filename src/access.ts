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

/** Who is calling, by which credential. */
export interface Caller {
  /** For quotas, fairness and logs: the credential's name, or the network address. */
  readonly caller: string;
  /** Whether it has no credential, so that `caller` may differ from one request to the next. */
  readonly anonymous?: boolean;
  readonly grants: readonly Grant[];
  /** Epoch milliseconds at which the credential ends; `undefined` for never. */
  readonly expiresAtMs?: number;
}

/**
 * What one caller may do. Every entrance to operations takes one as an argument, so that a new route
 * cannot forget to ask.
 *   ACCESS-3. An operation that a caller may not read does not exist for it.
 */
export class Access {
  readonly caller: string;
  /** Whose idempotency keys its keys are: the same at every replica, from wherever it calls. */
  readonly keyOwner: string;
  readonly grants: readonly Grant[];
  readonly expiresAtMs: number | undefined;

  constructor({ caller, anonymous = false, grants, expiresAtMs }: Caller) {
    this.caller = caller;
    this.keyOwner = anonymous ? "" : caller;
    this.grants = grants;
    this.expiresAtMs = expiresAtMs;
  }

  /** Whether the caller has this permission for anything at all. */
  has(scope: Scope): boolean {
    return this.grants.some((grant) => grant.scope === scope);
  }

  mayRead(id: string): boolean {
    return this.#covers("operations:read", id);
  }

  /** @throws OperationNotFoundError */
  checkRead(id: string): void {
    if (!this.mayRead(id)) throw new OperationNotFoundError(id); // ACCESS-3
  }

  /** @throws OperationNotFoundError where the caller may not even read it, ForbiddenError */
  checkControl(id: string): void {
    if (this.#covers("operations:control", id)) return;
    this.checkRead(id);
    throw new ForbiddenError("operations:control");
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
}

function coversId({ prefix, ids }: Grant, id: string): boolean {
  return (prefix === undefined || id.startsWith(prefix)) && (ids === undefined || ids.has(id));
}

/** A generated id, of up to 36 characters, must fit behind it. */
const MAX_START_PREFIX = 64;

const EVERYTHING: readonly Grant[] = SCOPES.map((scope) => ({ scope }));

/** This process itself, which may do everything. */
export function unrestricted(caller: string): Access {
  return new Access({ caller, grants: EVERYTHING });
}

/** A caller that needs no credential, by its network address. */
export function withoutCredential(address: string): Access {
  return new Access({ caller: address, anonymous: true, grants: EVERYTHING });
}

/** The caller is known, and may not do this. */
export class ForbiddenError extends ProblemError {
  constructor(scope: Scope) {
    super("forbidden", 403, `This credential does not permit this request: it needs ${scope}.`, {
      scope,
    });
  }
}
