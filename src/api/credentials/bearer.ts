import type { FastifyRequest } from "fastify";
import { UnauthenticatedError } from "../../access.ts";
import { ProblemError } from "../../problems.ts";
import type { Accepted } from "./authenticator.ts";

/** What a request carries to identify its caller. */
export interface PresentedCredential {
  readonly credential: string;
  readonly accepted: Accepted;
}

/**
 * The credential of a request: `Authorization: Bearer …`, or on streams `?access_token=`.
 * @returns `undefined` where there is none
 * @throws UnauthenticatedError, ProblemError `invalid-request` for more than one
 * @see RFC 6750, section 2
 */
export function credentialOf(
  { headers: { authorization }, query }: Pick<FastifyRequest, "headers" | "query">,
  isStream: boolean,
): PresentedCredential | undefined {
  const { access_token: token } = query as { access_token?: unknown };
  if (authorization === undefined) {
    if (!isStream || typeof token !== "string") return undefined;
    return { credential: token, accepted: "stream-tokens" };
  }
  if (isStream && token !== undefined) {
    throw new ProblemError("invalid-request", 400, "A request carries one credential, not two.");
  }
  const [, credential] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
  if (credential !== undefined) return { credential, accepted: "all" };
  throw new UnauthenticatedError("The Authorization header must be: Bearer, and a key or token.");
}
