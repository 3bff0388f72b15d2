import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ServerCredentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { installDebianPackage } from "../helpers/debian.ts";
import { AppProcess, temporaryFolder } from "../helpers/process.ts";
import { FakeScheduler } from "../helpers/scheduler/fake-scheduler.ts";

/** A scheduler behind TLS, whose certificate for localhost it has signed itself. */
async function startTlsScheduler() {
  installDebianPackage("openssl", "/usr/bin/openssl");
  const folder = await temporaryFolder();
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", key, "-out", certificate];
  const type = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", ...type, ...subject, ...files], { stdio: "ignore" });
  const pair = { private_key: readFileSync(key), cert_chain: readFileSync(certificate) };
  const scheduler = await FakeScheduler.start({}, 0, ServerCredentials.createSsl(null, [pair]));
  return { scheduler, certificate, endpoint: scheduler.address.replace("127.0.0.1", "localhost") };
}

/** What gives tokens to a managed identity in Azure App Service. @returns what was asked of it */
async function startIdentityEndpoint() {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    const expiresOn = Math.floor(Date.now() / 1000) + 3600;
    response.end(JSON.stringify({ access_token: "the-token", expires_on: String(expiresOn) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/msi`;
  return { requests, env: { IDENTITY_ENDPOINT: url, IDENTITY_HEADER: "secret" } };
}

test("an https endpoint: TLS to the scheduler, and the identity's token with each call", async () => {
  const { scheduler, certificate, endpoint } = await startTlsScheduler();
  const identity = await startIdentityEndpoint();
  const api = AppProcess.start(["api"], {
    ENDPOINT: `https://${endpoint}`,
    AZURE_MANAGED_IDENTITY_CLIENT_ID: "client",
    NODE_EXTRA_CA_CERTS: certificate,
    ...identity.env,
  });
  await api.printed(/dts-push is ready/);
  const [call] = scheduler.of("getInstance");
  expect(call?.metadata.get("authorization")).toEqual(["Bearer the-token"]);
  expect(identity.requests).toHaveLength(1);
  const asked = new URL(identity.requests[0] ?? "", "http://x").searchParams;
  expect(asked.get("resource")).toBe("https://durabletask.io");
  expect(asked.get("client_id")).toBe("client");
});

test("an untrusted certificate: no call is made, no token is sent, and the log says why", async () => {
  const { scheduler, endpoint } = await startTlsScheduler();
  const identity = await startIdentityEndpoint();
  const api = AppProcess.start(["api"], {
    ENDPOINT: `https://${endpoint}`,
    AZURE_MANAGED_IDENTITY_CLIENT_ID: "client",
    ...identity.env,
  });
  await api.printed(
    /waits for the scheduler: localhost:\d+ does not answer .*self-signed certificate/,
  );
  expect(scheduler.calls).toEqual([]);
  expect((await fetch(new URL("/readyz", await api.url()))).status).toBe(503);
});

test("no token: the problem is the credentials, not an outage", async () => {
  const { scheduler, certificate, endpoint } = await startTlsScheduler();
  const api = AppProcess.start(["api"], {
    ENDPOINT: `https://${endpoint}`,
    AZURE_MANAGED_IDENTITY_CLIENT_ID: "client",
    NODE_EXTRA_CA_CERTS: certificate,
    IDENTITY_ENDPOINT: "http://127.0.0.1:1/msi",
    IDENTITY_HEADER: "secret",
  });
  await api.printed(/waits for the scheduler: \S+ does not accept the credentials .*No token/);
  const response = await fetch(new URL("/readyz", await api.url()));
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({
    type: "urn:dts-push:problem:scheduler-access-denied",
  });
  expect(scheduler.calls).toEqual([]);
});
