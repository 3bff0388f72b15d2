import type { FastifyRequest } from "fastify";
import { Access, type Grant, parseGrant, UnauthenticatedError } from "../../access.ts";
import type { VerifyToken } from "../../streaming/delivery/ws/ws-caller.ts";
import type { Callers } from "../access/authentication.ts";
import { StreamTokens } from "./stream-tokens.ts";

/** Who makes a request, and what it may do. */
export interface AppCaller {
  /** Its name, for quotas, idempotency keys and logs: the same in every request of one user. */
  readonly caller: string;
  /**
   * What it may do: scopes as in API keys, `operations:read` or narrowed `operations:read:order-*`, or
   * grants for certain ids, `{ scope: "operations:read", ids: new Set(["order-17"]) }`.
   */
  readonly grants: readonly (string | Grant)[];
  /** Epoch milliseconds at which its streams end with `bye auth_expired`. Default: never. */
  readonly expiresAtMs?: number | undefined;
}

/**
 * Says who makes a request, by what the application knows: a session, a cookie, a token.
 * @param token of `Authorization: Bearer`, or of a message of the WebSocket that `request` has opened
 * @returns `undefined` or `null` where it is nobody: the answer is 401
 */
export type Authenticate = (
  request: FastifyRequest,
  token: string | undefined,
) => AppCaller | null | undefined | Promise<AppCaller | null | undefined>;

/** Callers that an application identifies. Stream tokens, which it may have made for them, are verified here. */
export class AppCallers implements Callers {
  readonly #authenticate: Authenticate;
  readonly #streamTokens: StreamTokens;

  constructor(authenticate: Authenticate, streamTokens: StreamTokens) {
    this.#authenticate = authenticate;
    this.#streamTokens = streamTokens;
  }

  async of(request: FastifyRequest): Promise<Access | undefined> {
    const inQuery = streamTokenOf(request);
    if (inQuery !== undefined) return this.#streamTokens.verify(inQuery);
    const [, token] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? "") ?? [];
    return token === undefined ? this.#ask(request) : this.#verify(request, token);
  }

  verifierFor(request: FastifyRequest): VerifyToken {
    return (token) => this.#verify(request, token);
  }

  /** @throws UnauthenticatedError */
  async #verify(request: FastifyRequest, token: string): Promise<Access> {
    if (StreamTokens.isOne(token)) return this.#streamTokens.verify(token);
    const access = await this.#ask(request, token);
    if (!access) throw new UnauthenticatedError("The credential is not known here.");
    return access;
  }

  async #ask(request: FastifyRequest, token?: string): Promise<Access | undefined> {
    const found = await this.#authenticate(request, token);
    if (!found) return undefined;
    const { caller, expiresAtMs } = found;
    const grants = found.grants.map(toGrant);
    return new Access({ caller, authentication: "token", grants, expiresAtMs });
  }
}

/** A stream token in the URL of a stream. Any other token there is the application's matter. */
function streamTokenOf({ query, routeOptions }: FastifyRequest): string | undefined {
  const { access_token: token } = query as { access_token?: unknown };
  if (!routeOptions.config.stream || typeof token !== "string") return undefined;
  return StreamTokens.isOne(token) ? token : undefined;
}

/** @throws Error, which is a fault of the application */
function toGrant(grant: string | Grant): Grant {
  const parsed = typeof grant === "string" ? parseGrant(grant) : grant;
  if (!parsed) throw new Error(`authenticate: "${grant}" is not a scope of dts-push`);
  return parsed;
}
