import {
  type Authentication,
  addressOf,
  checkTaskHub,
  parseEndpoint,
  type SchedulerTarget,
} from "./target.ts";

const REQUIRED = ["Authentication", "TaskHub", "Endpoint"] as const;

/**
 * Reads `Endpoint=…;TaskHub=…;Authentication=…[;ClientID=…;TenantId=…;TokenFilePath=…;
 * AdditionallyAllowedTenants=a,b]` by the rules of Microsoft's Azure-managed packages: keys in any
 * case, the last of two equal keys wins, white space around keys and values does not count.
 * @param clientId used for a managed identity where the string names none
 * @throws Error naming the property that is missing or not known; it never quotes the string
 */
export function parseConnectionString(text: string, clientId: string | undefined): SchedulerTarget {
  const values = new Map<string, string>();
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    values.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  const missing = REQUIRED.filter((name) => !values.get(name.toLowerCase()));
  if (missing.length > 0) {
    throw new Error(
      `The connection string must contain a(n) ${missing.join(" and a(n) ")} property`,
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
