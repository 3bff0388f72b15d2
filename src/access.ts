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
  readonly grants: readonly Grant[];
  readonly expiresAtMs: number | undefined;

  constructor({ caller, grants, expiresAtMs }: Caller) {
    this.caller = caller;
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

  #covers(scope: Scope, id: string): boolean {
    return this.grants.some((grant) => grant.scope === scope && coversId(grant, id));
  }
}

function coversId({ prefix, ids }: Grant, id: string): boolean {
  return (prefix === undefined || id.startsWith(prefix)) && (ids === undefined || ids.has(id));
}

const EVERYTHING: readonly Grant[] = SCOPES.map((scope) => ({ scope }));

/** A caller that may do everything: where no credentials are configured, and this process itself. */
export function unrestricted(caller: string): Access {
  return new Access({ caller, grants: EVERYTHING });
}

/** The caller is known, and may not do this. */
export class ForbiddenError extends ProblemError {
  constructor(scope: Scope) {
    super("forbidden", 403, `This credential does not permit this request: it needs ${scope}.`, {
      scope,
    });
  }
}
