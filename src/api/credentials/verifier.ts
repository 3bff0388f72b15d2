import { type Access, UnauthenticatedError } from "../../access.ts";
import type { AuthFailures } from "../limits/rate-limits.ts";
import type { Accepted, Authenticator } from "./authenticator.ts";

/** Verifies credentials, and refuses addresses that guess them. */
export class Verifier {
  /** Whether a caller needs a credential. Where not, everybody may do everything. */
  readonly required: boolean;
  readonly #authenticator: Authenticator;
  readonly #failures: AuthFailures;

  constructor(authenticator: Authenticator, failures: AuthFailures) {
    this.required = authenticator.required;
    this.#authenticator = authenticator;
    this.#failures = failures;
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
