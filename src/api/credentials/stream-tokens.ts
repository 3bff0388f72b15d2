import { randomBytes } from "node:crypto";
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from "jose";
import { Access, formatGrant, type Grant, parseGrant, UnauthenticatedError } from "../../access.ts";

/** So that no other token can be taken for one, and none for another. @see RFC 8725, section 3.11 */
const TYPE = "dts-push-stream+jwt";
const ALGORITHM = "HS256";
const RANDOM_SECRET_BYTES = 32;

/** What a stream token is for, and until when. */
export interface StreamTokenContent {
  /** Whose it is: the caller that had it made. */
  readonly caller: string;
  /** Of `operations:read`: all of them for certain ids, or none. */
  readonly grants: readonly Grant[];
  readonly expiresAtMs: number;
}

/**
 * Tokens that this service makes itself, for programs that cannot keep a credential: pages above all.
 * They are only for reading, for minutes, and can be in a URL.
 */
export class StreamTokens {
  readonly #secrets: readonly Uint8Array[];

  /** @param secrets the first one signs, all verify; none: a random one */
  constructor(secrets: readonly string[]) {
    this.#secrets =
      secrets.length > 0
        ? secrets.map((secret) => new TextEncoder().encode(secret))
        : [randomBytes(RANDOM_SECRET_BYTES)];
  }

  /** Whether a token says that it is one of these. */
  static isOne(token: string): boolean {
    if (!token.includes(".")) return false;
    try {
      return decodeProtectedHeader(token).typ === TYPE;
    } catch {
      return false;
    }
  }

  async sign({ caller, grants, expiresAtMs }: StreamTokenContent): Promise<string> {
    const ids = grants.flatMap((grant) => [...(grant.ids ?? [])]);
    return new SignJWT(ids.length > 0 ? { ids } : { scope: grants.map(formatGrant) })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
      .setSubject(caller)
      .setExpirationTime(Math.floor(expiresAtMs / 1000))
      .sign(this.#secrets[0] as Uint8Array);
  }

  /** @throws UnauthenticatedError */
  async verify(token: string): Promise<Access> {
    for (const secret of this.#secrets) {
      try {
        const { payload } = await jwtVerify(token, secret, {
          algorithms: [ALGORITHM],
          typ: TYPE,
          requiredClaims: ["exp", "sub"],
        });
        return toAccess(payload as StreamTokenPayload);
      } catch (error) {
        if (error instanceof errors.JWSSignatureVerificationFailed) continue;
        if (!(error instanceof errors.JOSEError)) throw error;
        throw refused(
          error instanceof errors.JWTExpired
            ? "The stream token has expired. Get a new one."
            : "This is not a valid stream token.",
        );
      }
    }
    throw refused("The stream token was not signed by this service. Get a new one.");
  }
}

/**
 * A token cannot be guessed. One that was not signed here may be that of another replica, or of this one
 * before it was restarted, where no secret is configured.
 */
function refused(detail: string): UnauthenticatedError {
  return new UnauthenticatedError(detail, { guessed: false });
}

/** As signed here. */
interface StreamTokenPayload {
  readonly sub: string;
  readonly exp: number;
  readonly ids?: readonly string[];
  readonly scope?: readonly string[];
}

function toAccess({ sub, exp, ids, scope = [] }: StreamTokenPayload): Access {
  const grants: Grant[] = ids
    ? [{ scope: "operations:read", ids: new Set(ids) }]
    : scope.flatMap((text) => parseGrant(text) ?? []);
  return new Access({
    caller: sub,
    authentication: "stream-token",
    grants: grants.filter((grant) => grant.scope === "operations:read"),
    expiresAtMs: exp * 1000,
  });
}
