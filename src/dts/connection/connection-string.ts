import {
  type Authentication,
  addressOf,
  checkTaskHub,
  parseEndpoint,
  type SchedulerTarget,
} from "./target.ts";

const REQUIRED = ["Authentication", "TaskHub", "Endpoint"] as const;
const OPTIONAL = ["ClientID", "TenantId", "TokenFilePath", "AdditionallyAllowedTenants"] as const;
const KNOWN = new Set([...REQUIRED, ...OPTIONAL].map((name) => name.toLowerCase()));

/** A key that can be named in an error without the risk of naming part of a secret. */
const PLAIN_KEY = /^[a-z]{1,30}$/i;

/**
 * Reads `Endpoint=…;TaskHub=…;Authentication=…[;ClientID=…;TenantId=…;TokenFilePath=…;
 * AdditionallyAllowedTenants=a,b]` by the rules of Microsoft's Azure-managed packages: keys in any
 * case, the last of two equal keys wins, white space around keys and values does not count. Unlike
 * them it refuses keys that it does not know: a misspelled one would be ignored in silence.
 * @param clientId used for a managed identity where the string names none
 * @throws Error naming the property that is missing or not known; it never quotes the string
 */
export function parseConnectionString(text: string, clientId: string | undefined): SchedulerTarget {
  const values = new Map<string, string>();
  const unknown: string[] = [];
  for (const [index, part] of text.split(";").entries()) {
    if (!part.trim()) continue;
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    if (KNOWN.has(key.toLowerCase())) {
      values.set(key.toLowerCase(), part.slice(equals + 1).trim());
    } else {
      unknown.push(PLAIN_KEY.test(key) ? key : `part ${index + 1}`);
    }
  }
  const missing = REQUIRED.filter((name) => !values.get(name.toLowerCase()));
  if (missing.length > 0) {
    throw new Error(
      `The connection string must contain a(n) ${missing.join(" and a(n) ")} property`,
    );
  }
  if (unknown.length > 0) {
    throw new Error(
      `Not a property of a connection string: ${unknown.join(", ")}. There are ` +
        `${[...REQUIRED, ...OPTIONAL].join(", ")}`,
    );
  }
  return {
    address: addressOf(parseEndpoint(values.get("endpoint") ?? "")),
    taskHub: checkTaskHub(values.get("taskhub") ?? ""),
    authentication: authenticationOf(values, clientId),
  };
}

function authenticationOf(
  values: ReadonlyMap<string, string>,
  fallbackClientId: string | undefined,
): Authentication {
  const kind = values.get("authentication")?.toLowerCase();
  const clientId = values.get("clientid") || undefined;
  switch (kind) {
    case "none":
    case "defaultazure":
    case "environment":
    case "azurecli":
    case "azurepowershell":
    case "visualstudiocode":
    case "interactivebrowser":
      return { kind };
    case "managedidentity":
      return { kind, clientId: clientId ?? fallbackClientId };
    case "workloadidentity":
      return {
        kind,
        clientId,
        tenantId: values.get("tenantid") || undefined,
        tokenFilePath: values.get("tokenfilepath") || undefined,
        additionallyAllowedTenants: values
          .get("additionallyallowedtenants")
          ?.split(",")
          .map((tenant) => tenant.trim())
          .filter(Boolean),
      };
    default:
      throw new Error(
        "Authentication must be one of DefaultAzure, ManagedIdentity, WorkloadIdentity, Environment, " +
          "AzureCLI, AzurePowerShell, VisualStudioCode, InteractiveBrowser, None",
      );
  }
}
