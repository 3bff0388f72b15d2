import type { AccessToken, TokenCredential } from "@azure/identity";
import type { Authentication } from "./target.ts";

/** Yields the bearer token for the next call, or `undefined` where none is needed. */
export type TokenSource = () => Promise<string | undefined>;

/** The scope of Durable Task Scheduler in every cloud that has it. */
const SCOPE = "https://durabletask.io/.default";

/** A token is renewed this long before it expires, so that none expires during a call. */
const RENEW_BEFORE_MS = 5 * 60_000;

/** A token source for `authentication`. The identity library is loaded only where it is used. */
export function createTokenSource(authentication: Authentication): TokenSource {
  if (authentication.kind === "none") return async () => undefined;
  let credential: Promise<TokenCredential> | undefined;
  return cacheToken(async () => {
    credential ??= createCredential(authentication);
    const token = await (await credential).getToken(SCOPE);
    if (!token) throw new Error(`The ${authentication.kind} credential gave no token`);
    return token;
  });
}

/**
 * Keeps one token and renews it when five minutes are left, or at the time the issuer advises.
 * Callers during a renewal share it. A failed renewal is not remembered: the next call tries again.
 */
export function cacheToken(fetchToken: () => Promise<AccessToken>): TokenSource {
  let cached: CachedToken | undefined;
  let renewal: Promise<CachedToken> | undefined;
  return async () => {
    if (cached && isFresh(cached)) return cached.token;
    renewal ??= fetchToken()
      .then(toCached)
      .finally(() => {
        renewal = undefined;
      });
    cached = await renewal;
    return cached.token;
  };
}

/** A token expires by the issuer's clock, and by the time that has passed since it was issued. */
interface CachedToken {
  readonly token: string;
  /** By `Date.now()`, which also counts while this machine sleeps. */
  readonly renewAtMs: number;
  /** By `performance.now()`, which cannot be set back. */
  readonly renewAtMonotonicMs: number;
}

function toCached({ token, expiresOnTimestamp, refreshAfterTimestamp }: AccessToken): CachedToken {
  const advisedMs = Math.min(expiresOnTimestamp, refreshAfterTimestamp ?? Number.POSITIVE_INFINITY);
  const renewAtMs = advisedMs - RENEW_BEFORE_MS;
  return { token, renewAtMs, renewAtMonotonicMs: performance.now() + renewAtMs - Date.now() };
}

function isFresh({ renewAtMs, renewAtMonotonicMs }: CachedToken): boolean {
  return Date.now() < renewAtMs && performance.now() < renewAtMonotonicMs;
}

async function createCredential(authentication: Authentication): Promise<TokenCredential> {
  const identity = await import("@azure/identity");
  switch (authentication.kind) {
    case "defaultazure":
      return new identity.DefaultAzureCredential();
    case "managedidentity":
      return authentication.clientId
        ? new identity.ManagedIdentityCredential({ clientId: authentication.clientId })
        : new identity.ManagedIdentityCredential();
    case "workloadidentity": {
      const { clientId, tenantId, tokenFilePath, additionallyAllowedTenants } = authentication;
      return new identity.WorkloadIdentityCredential({
        ...(clientId && { clientId }),
        ...(tenantId && { tenantId }),
        ...(tokenFilePath && { tokenFilePath }),
        ...(additionallyAllowedTenants && {
          additionallyAllowedTenants: [...additionallyAllowedTenants],
        }),
      });
    }
    case "environment":
      return new identity.EnvironmentCredential();
    case "azurecli":
      return new identity.AzureCliCredential();
    case "azurepowershell":
      return new identity.AzurePowerShellCredential();
    case "visualstudiocode":
      return new identity.VisualStudioCodeCredential();
    case "interactivebrowser":
      return new identity.InteractiveBrowserCredential({});
    case "none":
      throw new Error("Authentication=None has no credential");
  }
}
