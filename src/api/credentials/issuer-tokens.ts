import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from "jose";
import type { Logger } from "pino";
import { Access, parseGrant, UnauthenticatedError } from "../../access.ts";
import type { IssuerOptions } from "./credential-settings.ts";
import { IssuerKeys } from "./issuer-keys.ts";

/** Signatures by a key that only the issuer has. Anybody who knows a shared secret could make the others. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];
/** What access tokens call themselves: Entra ID's are plain JWTs, those of RFC 9068 are not. */
const TYPES = [undefined, "jwt", "at+jwt"];
/** By how much the issuer's clock may be ahead of this one, in seconds. */
const SKEW_S = 60;
/** @see OpenID Connect Core 1.0, section 2 */
const MAX_SUBJECT_LENGTH = 255;

/**
 * Access tokens of one issuer, JSON Web Tokens.
 *   TOKEN-1. A token is accepted for its time, and no longer: `exp` has no tolerance, because streams
 *       end then. `nbf` has one, because clocks differ.
 * @see RFC 7519, RFC 8725, RFC 9068
 */
export class IssuerTokens {
  readonly #options: IssuerOptions;
  readonly #keys: IssuerKeys;

  constructor(options: IssuerOptions, logger: Logger) {
    this.#options = options;
    this.#keys = new IssuerKeys(options, logger);
    void this.#keys.read(); // So that the first caller does not wait for it.
  }

  /** @throws UnauthenticatedError, AuthenticationUnavailableError */
  async verify(token: string): Promise<Access> {
    const { issuer, audiences } = this.#options;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#keys.find, {
        issuer,
        audience: [...audiences],
        algorithms: ALGORITHMS,
        clockTolerance: SKEW_S,
        requiredClaims: ["exp", "sub"],
      });
      return toAccess(payload, protectedHeader);
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      const guessed = !(error instanceof errors.JWTExpired);
      throw new UnauthenticatedError(describe(error), { guessed });
    }
  }
}

function toAccess(payload: JWTPayload, { typ }: JWTHeaderParameters): Access {
  const { sub = "", exp = 0, scp, scope, roles } = payload;
  if (!TYPES.includes(typ?.toLowerCase().replace(/^application\//, ""))) {
    throw new UnauthenticatedError("The token is not an access token.");
  }
  if (exp * 1000 <= Date.now()) throw new UnauthenticatedError(EXPIRED, { guessed: false }); // TOKEN-1
  if (sub.length > MAX_SUBJECT_LENGTH)
    throw new UnauthenticatedError("The token's sub is too long.");
  return new Access({
    caller: `token:${sub}`,
    authentication: "token",
    // What other APIs call their scopes is nothing here.
    grants: [scp, scope, roles].flatMap(wordsOf).flatMap((word) => parseGrant(word) ?? []),
    expiresAtMs: exp * 1000,
  });
}

/** A claim as issuers write it: words with spaces between them, or a list. */
function wordsOf(claim: unknown): string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((each) => typeof each === "string") : [];
}

const EXPIRED = "The token has expired. Get a new one.";

/** What is wrong with a token, for its holder. Says nothing about its content. */
function describe(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return EXPIRED;
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `The token's claim ${error.claim} is missing, or not what this server accepts.`;
  }
  if (error instanceof errors.JWKSNoMatchingKey) return "The token's key is not one of its issuer.";
  if (error instanceof errors.JOSEAlgNotAllowed) return "The token's algorithm is not accepted.";
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "The token's signature is not valid.";
  }
  return "The token is not a valid JSON Web Token.";
}
