/** How a connection authenticates. `none` sends no token and uses no TLS, as in Microsoft's packages. */
export type Authentication =
  | { readonly kind: "none" }
  | { readonly kind: "defaultazure" }
  | { readonly kind: "managedidentity"; readonly clientId?: string | undefined }
  | {
      readonly kind: "workloadidentity";
      readonly clientId?: string | undefined;
      readonly tenantId?: string | undefined;
      readonly tokenFilePath?: string | undefined;
      readonly additionallyAllowedTenants?: readonly string[] | undefined;
    }
  | { readonly kind: "environment" }
  | { readonly kind: "azurecli" }
  | { readonly kind: "azurepowershell" }
  | { readonly kind: "visualstudiocode" }
  | { readonly kind: "interactivebrowser" };

/** One task hub of one scheduler, and how to authenticate to it. */
export interface SchedulerTarget {
  /** `host:port`, as gRPC wants it. */
  readonly address: string;
  readonly taskHub: string;
  readonly authentication: Authentication;
}

/**
 * The target for `ENDPOINT` and `TASKHUB`. `http://` means no TLS and no token (the emulator, the
 * embedded scheduler); `https://` uses the managed identity `clientId` if given, otherwise
 * `DefaultAzureCredential`. Without a scheme, loopback hosts are `http`, others `https`.
 * @throws Error that describes a valid endpoint
 */
export function targetFromEndpoint(
  endpoint: string,
  taskHub: string,
  clientId: string | undefined,
): SchedulerTarget {
  const url = parseEndpoint(endpoint);
  const authentication: Authentication =
    url.protocol === "http:"
      ? { kind: "none" }
      : clientId
        ? { kind: "managedidentity", clientId }
        : { kind: "defaultazure" };
  return { address: addressOf(url), taskHub, authentication };
}

/** What a gRPC header can carry. Whether there is such a task hub, only the scheduler knows. */
const TASK_HUB = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Returns `taskHub`. @throws Error that describes a valid name */
export function checkTaskHub(taskHub: string): string {
  if (TASK_HUB.test(taskHub)) return taskHub;
  throw new Error("a task hub's name is made of printable ASCII characters");
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/]|$)/i;

const EXAMPLES = "an endpoint is http://host:port or https://host, such as http://localhost:8080";

/** Reads an endpoint with or without a scheme. @throws Error that does not quote it */
export function parseEndpoint(endpoint: string): URL {
  const text = endpoint.trim();
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  // "emulator" is more likely a mistake than a host of that name behind TLS on port 443.
  if (!hasScheme && !/[.:]/.test(text)) throw new Error(EXAMPLES);
  const withScheme = hasScheme ? text : `${LOOPBACK.test(text) ? "http" : "https"}://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (!url?.hostname || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new Error(EXAMPLES);
  }
  if (url.username || url.password) {
    throw new Error(
      "an endpoint carries no user name and no password: the scheduler takes tokens of an Azure " +
        "identity, see Authentication in a connection string",
    );
  }
  if (url.pathname !== "/" || url.search || url.hash) {
    throw new Error(`nothing follows the host and port: ${EXAMPLES}`);
  }
  return url;
}

/** `host:port` with the scheme's own port written out, which gRPC would not infer. */
export function addressOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === "http:" ? "80" : "443")}`;
}
