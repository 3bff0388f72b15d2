/** Whose tokens are accepted. */
export interface IssuerOptions {
  /** The issuer as its tokens name it, in `iss`. */
  readonly issuer: string;
  /** This API as tokens name it, in `aud`: any of these. */
  readonly audiences: readonly string[];
  /** Where its keys are; by default OpenID Connect Discovery finds that. */
  readonly jwksUrl: URL | undefined;
}

/** By what callers are identified. With neither a file nor an issuer everybody may do everything. */
export interface CredentialOptions {
  readonly apiKeysFile: string | undefined;
  readonly issuer: IssuerOptions | undefined;
  /** The first one signs stream tokens, all verify them. None: a random one, of this process. */
  readonly streamTokenSecrets: readonly string[];
}

/** Whether a caller needs a credential. */
export function needsCredential({ apiKeysFile, issuer }: CredentialOptions): boolean {
  return apiKeysFile !== undefined || issuer !== undefined;
}

/** The settings that `CredentialOptions` are read from, as text. */
export interface CredentialSettings {
  readonly API_KEYS_FILE: string;
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
  readonly JWT_JWKS_URL: string;
  readonly STREAM_TOKEN_SECRET: string;
  readonly STREAM_TOKEN_SECRET_PREVIOUS: string;
}

/** Shorter secrets weaken HMAC-SHA-256. @see RFC 7518, section 3.2 */
const MIN_SECRET_BYTES = 32;

/** Reads the settings; what is wrong is added to `problems`, which show no secret. */
export function readCredentials(
  settings: CredentialSettings,
  problems: string[],
): CredentialOptions {
  return {
    apiKeysFile: settings.API_KEYS_FILE || undefined,
    issuer: readIssuer(settings, problems),
    streamTokenSecrets: readSecrets(settings, problems),
  };
}

function readIssuer(
  { JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL }: CredentialSettings,
  problems: string[],
): IssuerOptions | undefined {
  if (!JWT_ISSUER) {
    if (JWT_AUDIENCE) problems.push("JWT_AUDIENCE needs JWT_ISSUER");
    if (JWT_JWKS_URL) problems.push("JWT_JWKS_URL needs JWT_ISSUER");
    return undefined;
  }
  const audiences = JWT_AUDIENCE.split(",")
    .map((each) => each.trim())
    .filter(Boolean);
  if (audiences.length === 0) {
    problems.push(
      "JWT_ISSUER needs JWT_AUDIENCE: without it tokens for other APIs would be accepted",
    );
  }
  checkUrl("JWT_ISSUER", JWT_ISSUER, problems);
  const jwksUrl = JWT_JWKS_URL ? checkUrl("JWT_JWKS_URL", JWT_JWKS_URL, problems) : undefined;
  return { issuer: JWT_ISSUER, audiences, jwksUrl };
}

/** Whether keys can be read there: what comes over a plain connection could be anybody's. */
export function isTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}

function checkUrl(name: string, text: string, problems: string[]): URL | undefined {
  const url = URL.parse(text);
  if (url && isTrustworthy(url)) return url;
  problems.push(`${name} must be an https:// URL, or http://localhost, got "${text}"`);
  return undefined;
}

/** Whether only this machine can reach, or be reached under, this name. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

function readSecrets(settings: CredentialSettings, problems: string[]): readonly string[] {
  const { STREAM_TOKEN_SECRET, STREAM_TOKEN_SECRET_PREVIOUS } = settings;
  for (const name of ["STREAM_TOKEN_SECRET", "STREAM_TOKEN_SECRET_PREVIOUS"] as const) {
    const secret = settings[name];
    if (secret && Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
      problems.push(`${name} must be at least ${MIN_SECRET_BYTES} bytes`);
    }
  }
  if (STREAM_TOKEN_SECRET_PREVIOUS && !STREAM_TOKEN_SECRET) {
    problems.push("STREAM_TOKEN_SECRET_PREVIOUS needs STREAM_TOKEN_SECRET");
  }
  return [STREAM_TOKEN_SECRET, STREAM_TOKEN_SECRET_PREVIOUS].filter(Boolean);
}
