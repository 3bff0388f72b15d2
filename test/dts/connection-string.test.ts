import { expect, test } from "vitest";
import { parseConnectionString } from "../../src/dts/connection/connection-string.ts";
import { targetFromEndpoint } from "../../src/dts/connection/target.ts";

const parse = (text: string, clientId?: string) => parseConnectionString(text, clientId);

test("keys in any case, white space around keys and values, a trailing semicolon", () => {
  expect(
    parse(" ENDPOINT = https://hub.example:8443 ; taskhub= mine ;Authentication =None ; "),
  ).toEqual({
    address: "hub.example:8443",
    taskHub: "mine",
    authentication: { kind: "none" },
  });
});

test("the last of two equal keys wins", () => {
  const text = "Endpoint=http://a;TaskHub=a;Authentication=None;endpoint=http://b;TASKHUB=b";
  expect(parse(text)).toMatchObject({ address: "b:80", taskHub: "b" });
});

test("only the first equals sign of a part separates", () => {
  const text =
    "Endpoint=http://hub;TaskHub=t;Authentication=WorkloadIdentity;TokenFilePath=/a=b/c==";
  expect(parse(text).authentication).toMatchObject({ tokenFilePath: "/a=b/c==" });
});

test("a key that is not known is refused and named, and nothing else of the string", () => {
  const rest = "Endpoint=http://hub:1;;TaskHub=t;Authentication=None";
  expect(() => parse(`${rest};Authentification=None`)).toThrow(
    /^Not a property of a connection string: Authentification\. There are Authentication, TaskHub/,
  );
  expect(() => parse(`noise;${rest};SharedAccessKey=x; =y`)).toThrow(
    /: part 1, SharedAccessKey, part 7\. There are/,
  );
});

test("each required property that is missing or empty is named", () => {
  const missing = (text: string) => {
    try {
      parse(text);
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  expect(missing("Endpoint=http://hub;TaskHub=t")).toBe(
    "The connection string must contain a(n) Authentication property",
  );
  expect(missing("Endpoint=http://hub;TaskHub=;Authentication=None")).toMatch(/a\(n\) TaskHub/);
  expect(missing("Endpoint= ;TaskHub=t;Authentication=None")).toMatch(/a\(n\) Endpoint/);
  expect(missing("x")).toMatch(/Authentication and a\(n\) TaskHub and a\(n\) Endpoint/);
});

test("every authentication of the Azure-managed packages, in any case", () => {
  const kinds =
    "DefaultAzure ManagedIdentity WorkloadIdentity Environment AzureCLI " +
    "AzurePowerShell VisualStudioCode InteractiveBrowser None";
  for (const kind of kinds.split(" ")) {
    for (const spelling of [kind, kind.toLowerCase(), kind.toUpperCase()]) {
      const text = `Endpoint=https://hub;TaskHub=t;Authentication=${spelling}`;
      expect(parse(text).authentication.kind).toBe(kind.toLowerCase());
    }
  }
  expect(() => parse("Endpoint=https://hub;TaskHub=t;Authentication=Password")).toThrow(
    /must be one of DefaultAzure, .*None/,
  );
});

test("a managed identity takes the client id of the string, else that of the environment", () => {
  const text = "Endpoint=https://hub;TaskHub=t;Authentication=ManagedIdentity";
  expect(parse(`${text};ClientID=a`, "b").authentication).toEqual({
    kind: "managedidentity",
    clientId: "a",
  });
  expect(parse(text, "b").authentication).toMatchObject({ clientId: "b" });
  expect(parse(text).authentication).toEqual({ kind: "managedidentity" });
});

test("a workload identity takes tenant, file and the list of tenants, trimmed", () => {
  const text =
    "Endpoint=https://hub;TaskHub=t;Authentication=WorkloadIdentity;ClientID=c;TenantId=d;" +
    "TokenFilePath=/f;AdditionallyAllowedTenants= a , b,,c ";
  expect(parse(text).authentication).toEqual({
    kind: "workloadidentity",
    clientId: "c",
    tenantId: "d",
    tokenFilePath: "/f",
    additionallyAllowedTenants: ["a", "b", "c"],
  });
});

test("an endpoint without scheme is https, and http on this machine", () => {
  const address = (endpoint: string) => targetFromEndpoint(endpoint, "t", undefined);
  expect(address("hub.example")).toEqual({
    address: "hub.example:443",
    taskHub: "t",
    authentication: { kind: "defaultazure" },
  });
  for (const [endpoint, expected] of [
    ["localhost:8080", "localhost:8080"],
    ["127.0.0.1:1", "127.0.0.1:1"],
    ["[::1]:8080", "[::1]:8080"],
    ["http://hub", "hub:80"],
    [" http://hub:8080/ ", "hub:8080"],
  ] as const) {
    expect(address(endpoint)).toMatchObject({
      address: expected,
      authentication: { kind: "none" },
    });
  }
  expect(address("https://hub:8443").address).toBe("hub:8443");
});

test("a host that only begins like this machine's name is not this machine", () => {
  for (const endpoint of ["localhost.evil.example", "127.0.0.1.evil.example", "localhostess:1"]) {
    expect(targetFromEndpoint(endpoint, "t", undefined).authentication.kind).toBe("defaultazure");
  }
});

test("an invalid endpoint is refused with an example of a valid one", () => {
  const bads = ["", "   ", "ftp://hub", "http://", "http://hub:99999", "a b", "://"];
  bads.push("emulator", "localhost", "http://hub:1/path", "http://hub:1?x", "http://hub:1#x");
  for (const bad of bads) {
    expect(() => targetFromEndpoint(bad, "t", undefined), bad).toThrow(
      /such as http:\/\/localhost/,
    );
  }
});

test("credentials in an endpoint are refused and not quoted, wherever the endpoint is given", () => {
  for (const bad of ["http://user:s3cret@hub:8080", "https://s3cret@hub.example"]) {
    const messages = [
      () => targetFromEndpoint(bad, "t", undefined),
      () => parse(`Endpoint=${bad};TaskHub=t;Authentication=None`),
    ].map((read) => {
      try {
        return JSON.stringify(read());
      } catch (error) {
        return (error as Error).message;
      }
    });
    for (const message of messages) {
      expect(message).toMatch(/carries no user name and no password/);
      expect(message).not.toContain("s3cret");
    }
  }
});
