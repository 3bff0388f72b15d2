import type { AccessToken, TokenCredential } from "@azure/identity";
import type { Authentication } from "./target.ts";

/** Yields the bearer token for the next call, or `undefined` where none is needed. */
export type TokenSource = () => Promise<string | undefined>;

/** The scope of Durable Task Scheduler in every cloud that has it. */
const SCOPE = "https://durabletask.io/.default";

/** A token is renewed this long before it ends, so that no call carries one about to expire. */
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
 * Callers that come during a renewal share it. A failed renewal is not remembered: the next call
 * tries again.
 */
export function cacheToken(fetchToken: () => Promise<AccessToken>): TokenSource {
  let cached: AccessToken | undefined;
  let renewal: Promise<AccessToken> | undefined;
  return async () => {
    if (cached && isFresh(cached, Date.now())) return cached.token;
    renewal ??= fetchToken().finally(() => {
      renewal = undefined;
    });
    cached = await renewal;
    return cached.token;
  };
}

function isFresh(token: AccessToken, nowMs: number): boolean {
  const renewAtMs = Math.min(
    token.expiresOnTimestamp,
    token.refreshAfterTimestamp ?? Number.POSITIVE_INFINITY,
  );
  return renewAtMs - RENEW_BEFORE_MS > nowMs;
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
