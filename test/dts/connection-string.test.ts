import { expect, test } from "vitest";
import { parseConnectionString } from "../../src/dts/connection-string.ts";
import { targetFromEndpoint } from "../../src/dts/target.ts";

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

test("unknown keys and parts without an equals sign do not matter", () => {
  const text = "noise;Endpoint=http://hub:1;;TaskHub=t;Color=blue;Authentication=None";
  expect(parse(text)).toMatchObject({ address: "hub:1", taskHub: "t" });
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

test("what is no endpoint is refused with an example of one", () => {
  for (const bad of ["", "   ", "ftp://hub", "http://", "http://hub:99999", "a b", "://"]) {
    expect(() => targetFromEndpoint(bad, "t", undefined), bad).toThrow(
      /such as http:\/\/localhost/,
    );
  }
});
