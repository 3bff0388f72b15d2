import type { Logger } from "pino";
import { type Access, UnauthenticatedError } from "../../access.ts";
import { openApiKeyFile } from "./api-key-file.ts";
import { type CredentialOptions, isLoopback, needsCredential } from "./credential-settings.ts";
import { IssuerTokens } from "./issuer-tokens.ts";
import { StreamTokens } from "./stream-tokens.ts";

/** Which credentials are accepted where one was found: a URL may hold stream tokens alone. */
export type Accepted = "all" | "stream-tokens";

/** Finds out who is calling. */
export interface Authenticator {
  /** Whether a caller needs a credential. Where not, everybody may do everything. */
  readonly required: boolean;
  readonly streamTokens: StreamTokens;
  /** @throws UnauthenticatedError, AuthenticationUnavailableError */
  verify(credential: string, accepted?: Accepted): Promise<Access>;
  close(): void;
}

/** @throws Error where the file of API keys cannot be used */
export function createAuthenticator(options: CredentialOptions, logger: Logger): Authenticator {
  const { apiKeysFile, issuer, streamTokenSecrets } = options;
  const file = apiKeysFile === undefined ? undefined : openApiKeyFile(apiKeysFile, logger);
  const issuerTokens = issuer && new IssuerTokens(issuer, logger);
  const streamTokens = new StreamTokens(streamTokenSecrets);
  const required = needsCredential(options);
  if (required && streamTokenSecrets.length === 0) {
    logger.warn(
      "STREAM_TOKEN_SECRET is not set: stream tokens of this replica are valid only here",
    );
  }
  return {
    required,
    streamTokens,
    async verify(credential, accepted = "all") {
      if (StreamTokens.isOne(credential)) return streamTokens.verify(credential);
      if (accepted === "stream-tokens") {
        throw new UnauthenticatedError("A URL may carry a stream token, and no other credential.");
      }
      const access = file?.keys.find(credential);
      if (access) return access;
      if (issuerTokens && isJwt(credential)) return issuerTokens.verify(credential);
      throw new UnauthenticatedError("The credential is not known here.");
    },
    close: () => file?.close(),
  };
}

/** Three parts of base64url: keys of this service have no dots. */
function isJwt(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(credential);
}

/**
 * Whether this server may listen where everybody reaches it. Where that was allowed, the log says so.
 * @throws Error that says what to do, where it has no credentials and was not allowed to be open
 */
export function checkOpenness(
  { required }: Authenticator,
  { host, allowAnonymous }: { readonly host: string; readonly allowAnonymous: string },
  logger: Pick<Logger, "warn">,
): void {
  if (required || isLoopback(host)) return;
  if (allowAnonymous === "true") {
    logger.warn({ host }, "ALLOW_ANONYMOUS: everybody who reaches this server may do everything");
    return;
  }
  throw new Error(
    `HOST is ${host} and no credentials are configured: everybody who reaches this server could read, ` +
      "start and control all operations. Set API_KEYS_FILE or JWT_ISSUER; or ALLOW_ANONYMOUS=true, where " +
      "something in front of this server authenticates.",
  );
}
