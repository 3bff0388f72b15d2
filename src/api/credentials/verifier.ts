import type { FastifyRequest } from "fastify";
import { type Access, UnauthenticatedError, unrestricted } from "../../access.ts";
import type { VerifyToken } from "../../streaming/delivery/ws/ws-caller.ts";
import type { Callers } from "../access/authentication.ts";
import { callerAddress } from "../access/caller-address.ts";
import type { AuthFailures } from "../limits/rate-limits.ts";
import type { Accepted, Authenticator } from "./authenticator.ts";
import { credentialOf } from "./bearer.ts";

/** Verifies credentials, and refuses addresses that guess them. */
export class Verifier implements Callers {
  /** Whether a caller needs a credential. Where not, everybody may do everything. */
  readonly required: boolean;
  readonly #authenticator: Authenticator;
  readonly #failures: AuthFailures;

  constructor(authenticator: Authenticator, failures: AuthFailures) {
    this.required = authenticator.required;
    this.#authenticator = authenticator;
    this.#failures = failures;
  }

  async of(request: FastifyRequest): Promise<Access | undefined> {
    const address = callerAddress(request);
    if (!this.required) return unrestricted(address);
    const isStream = request.routeOptions.config.stream !== undefined;
    const presented = credentialOf(request, isStream);
    return presented && this.verify(presented.credential, address, presented.accepted);
  }

  verifierFor(request: FastifyRequest): VerifyToken {
    const address = callerAddress(request);
    return async (token, present) => (this.required ? this.verify(token, address) : present);
  }

  /**
   * @param address from which the credential came
   * @throws UnauthenticatedError, AuthenticationUnavailableError, RateLimitedError
   */
  async verify(credential: string, address: string, accepted: Accepted = "all"): Promise<Access> {
    await this.#failures.check(address);
    try {
      return await this.#authenticator.verify(credential, accepted);
    } catch (error) {
      const isGuess = error instanceof UnauthenticatedError && error.guessed;
      if (isGuess) await this.#failures.count(address);
      throw error;
    }
  }
}
