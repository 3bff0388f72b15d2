import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Logger } from "pino";
import { AuthenticationUnavailableError } from "../../access.ts";
import { type IssuerOptions, isTrustworthy } from "./credential-settings.ts";

/** Time between two reads of the keys, and the most that one may take. */
const READ_EVERY_MS = 5000;
/** Age from which keys are read again, so that those which the issuer has withdrawn are not used for long. */
const REFRESH_AFTER_MS = 600_000;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

/**
 * The public keys of the issuer (JSON Web Key Set).
 *   ISSUER-1. Keys that are known stay in use while the issuer does not answer.
 *   ISSUER-2. A key that is not known makes the set be read again, at most once in 5 s for all callers together.
 *   ISSUER-3. A key that is not known is refused only if the issuer says so: a set that was read a
 *       moment ago does not have it. While the issuer does not answer, that cannot be decided.
 * @see RFC 7517, OpenID Connect Discovery 1.0
 */
export class IssuerKeys {
  readonly #options: IssuerOptions;
  readonly #logger: Logger;
  #keys: LocalKeys | undefined;
  /** When they were read, by `performance.now()`. */
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** The last read, which may be under way. Its outcome never rejects. */
  #last: { readonly sentAtMs: number; readonly outcome: Promise<"read" | "failed"> } | undefined;
  #failing = false;

  constructor(options: IssuerOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /** The key that a token was signed with. @throws JOSEError, AuthenticationUnavailableError */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys && performance.now() - this.#readAtMs > REFRESH_AFTER_MS) void this.read();
    try {
      if (this.#keys) return await this.#keys(header, token); // ISSUER-1
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    const outcome = await this.read();
    if (outcome === "failed" || !this.#keys) throw new AuthenticationUnavailableError(); // ISSUER-3
    return this.#keys(header, token);
  };

  /** Reads the keys, unless that was done a moment ago. Never rejects. */
  read(): Promise<"read" | "failed"> {
    const nowMs = performance.now();
    if (this.#last && nowMs - this.#last.sentAtMs < READ_EVERY_MS) return this.#last.outcome; // ISSUER-2
    this.#last = { sentAtMs: nowMs, outcome: this.#read() };
    return this.#last.outcome;
  }

  async #read(): Promise<"read" | "failed"> {
    const signal = AbortSignal.timeout(READ_EVERY_MS);
    try {
      const url = this.#options.jwksUrl ?? (await this.#discover(signal));
      this.#keys = createLocalJWKSet((await fetchJson(url, signal)) as JSONWebKeySet);
      this.#readAtMs = performance.now();
      if (this.#failing) this.#logger.info("the token issuer answers again");
      this.#failing = false;
      return "read";
    } catch (error) {
      if (!this.#failing) {
        const { issuer } = this.#options;
        this.#logger.warn(
          { issuer, reason: describe(error) },
          "the token issuer's keys cannot be read",
        );
      }
      this.#failing = true;
      return "failed";
    }
  }

  async #discover(signal: AbortSignal): Promise<URL> {
    const { issuer } = this.#options;
    const base = issuer.replace(/\/$/, "");
    const document = await fetchJson(new URL(`${base}/.well-known/openid-configuration`), signal);
    const { issuer: named, jwks_uri } = document as Record<string, unknown>;
    if (named !== issuer) throw new Error(`its configuration is that of the issuer "${named}"`);
    const url = typeof jwks_uri === "string" ? URL.parse(jwks_uri) : null;
    if (!url || !isTrustworthy(url)) throw new Error("its configuration has no usable jwks_uri");
    return url;
  }
}

/** @throws Error, TypeError */
async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const headers = { accept: "application/json" };
  const response = await fetch(url, { headers, redirect: "error", signal });
  if (response.status === 200) return response.json();
  await response.body?.cancel();
  throw new Error(`${url} answered ${response.status}`);
}

/** What `fetch` reports as "fetch failed" has its reason in its cause. */
function describe(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
