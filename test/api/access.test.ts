import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { checkProblem } from "./support/problem.ts";
import { RawConnection, splitAnswer } from "./support/raw-connection.ts";

const HANDSHAKE =
  "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
  "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

async function startApi(overrides: Partial<Config> = {}, operations = [instance()]) {
  const scheduler = await ScriptedScheduler.start(operations);
  const { url } = await startTestApi(scheduler.address, overrides);

  /** Sends a request with exactly these header lines, and returns the answer as far as it comes. */
  const send = async (line: string, headers: string, body = ""): Promise<string> => {
    const connection = await RawConnection.open(url);
    const length = body === "" ? "" : `content-length: ${body.length}\r\n`;
    connection.send(`${line} HTTP/1.1\r\n${headers}${length}\r\n${body}`);
    const answer = await connection.until(/^HTTP\/1\.1 \d+ [\s\S]*\r\n\r\n/);
    const [, bytes] = /\r\ncontent-length: (\d+)\r\n/i.exec(answer) ?? [];
    if (bytes && !line.startsWith("HEAD "))
      await connection.until(new RegExp(`\\r\\n\\r\\n[\\s\\S]{${bytes}}`));
    connection.close();
    return connection.received;
  };
  const statusOf = async (line: string, headers: string, body?: string): Promise<number> =>
    Number((await send(line, headers, body)).slice(9, 12));
  const statusForHost = (host: string) => statusOf("GET /healthz", `host: ${host}\r\n`);
  /** The status of a start, whose browser sends these headers. */
  const startStatus = (headers: string) =>
    statusOf(
      "POST /api/start-operation",
      `host: localhost:8000\r\ncontent-type: application/json\r\n${headers}`,
      "[]",
    );
  /** The status of a handshake, whose browser sends these headers. */
  const wsStatus = (headers: string) =>
    statusOf("GET /api/ws", `host: localhost:8000\r\n${HANDSHAKE}${headers}`);
  return { url, send, statusOf, statusForHost, startStatus, wsStatus };
}

test("a request for a name of this machine is answered, whatever its port and case", async () => {
  const { statusForHost } = await startApi();
  for (const host of [
    "localhost",
    "LocalHost:1234",
    "localhost.",
    "app.localhost:8000",
    "127.0.0.1",
    "127.9.8.7:80",
    "[::1]:8000",
  ]) {
    expect(await statusForHost(host), host).toBe(200);
  }
});

test("a request for another host is 421 on every path, also unknown ones and handshakes (ACCESS-1)", async () => {
  const { send, statusForHost, statusOf } = await startApi();
  for (const host of [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "notlocalhost",
    "192.0.2.1",
    "[2001:db8::1]:8000",
  ]) {
    expect(await statusForHost(host), host).toBe(421);
  }
  for (const line of [
    "GET /",
    "GET /base.css",
    "GET /nope",
    "GET /api/events",
    "GET /api/operations/op",
    "GET /api/operations/op/events",
    "GET /metrics",
    "HEAD /healthz",
    "OPTIONS /api/events",
    "DELETE /healthz",
    "PROPFIND /healthz",
  ]) {
    expect(await statusOf(line, "host: evil.example\r\n"), line).toBe(421);
  }
  expect(await statusOf("GET /api/ws", `host: evil.example\r\n${HANDSHAKE}`)).toBe(421);
  expect(await statusOf("GET /healthz", "host: evil.example\r\nexpect: miracles\r\n")).toBe(421);
  const answer = await send("GET /healthz", "host: evil.example\r\n");
  checkProblem(splitAnswer(answer).body, 421, "host-not-allowed");
});

test("a request has one Host that is a host", async () => {
  const { send, statusForHost } = await startApi();
  const twice = await send("GET /healthz", "host: localhost\r\nhost: localhost\r\n");
  checkProblem(splitAnswer(twice).body, 400, "invalid-request");
  expect(await send("GET /healthz", "host: localhost\r\nHost: evil.example\r\n")).toMatch(/ 400 /);
  for (const host of ["", "a b", "user@localhost", "localhost/x", "local?host", "[::1", "x:y"]) {
    expect(await statusForHost(host), host).toBe(400);
  }
});

test("ALLOWED_HOSTS and HOST add names, and a leading dot a domain with its subdomains", async () => {
  const allowedHosts = ["push.example", ".apps.example"];
  const { statusForHost } = await startApi({ host: "localhost", allowedHosts });
  for (const host of ["push.example", "PUSH.example:443", "apps.example", "a.b.apps.example"]) {
    expect(await statusForHost(host), host).toBe(200);
  }
  for (const host of ["x.push.example", "evilapps.example", "example"]) {
    expect(await statusForHost(host), host).toBe(421);
  }
  const any = await startApi({ allowedHosts: ["*"] });
  expect(await any.statusForHost("anything.example")).toBe(200);
});

test("a page of another origin can neither start nor open a WebSocket (ACCESS-2)", async () => {
  const { startStatus, wsStatus, statusOf } = await startApi();
  for (const headers of [
    "origin: http://evil.example\r\n",
    "origin: http://localhost:9000\r\n",
    "origin: null\r\n",
    "origin: http://evil.example\r\nsec-fetch-site: cross-site\r\n",
    "origin: http://localhost:9000\r\nsec-fetch-site: same-site\r\n",
    "origin: http://localhost:8000\r\nsec-fetch-site: cross-site\r\n",
    "sec-fetch-site: cross-site\r\n",
  ]) {
    expect(await startStatus(headers), headers).toBe(403);
    expect(await wsStatus(headers), headers).toBe(403);
  }
  const foreign = "host: localhost\r\norigin: http://evil.example\r\n";
  for (const line of ["POST /nope", "PUT /healthz", "DELETE /api/operations/op", "PATCH /"]) {
    expect(await statusOf(line, foreign), line).toBe(403);
  }
  for (const line of ["GET /healthz", "HEAD /healthz", "GET /api/operations/op"]) {
    expect(await statusOf(line, foreign), line).toBe(200);
  }
});

test("the server's own pages and programs may, also behind a proxy that sets Host", async () => {
  const { startStatus, wsStatus } = await startApi();
  for (const headers of [
    "",
    "origin: http://localhost:8000\r\n",
    "origin: https://localhost:8000\r\n",
    "origin: http://localhost:8000\r\nsec-fetch-site: same-origin\r\n",
    "origin: https://push.example\r\nsec-fetch-site: same-origin\r\n",
    "sec-fetch-site: none\r\n",
  ]) {
    // 400: it is past the guard, and no start.
    expect(await startStatus(headers), headers).toBe(400);
    expect(await wsStatus(headers), headers).toBe(101);
  }
});

test("pages of CORS_ORIGINS may, and can read what they are sent", async () => {
  const { send, startStatus, statusOf, wsStatus } = await startApi({
    corsOrigins: ["https://app.example"],
  });
  const trusted = "origin: https://app.example\r\nsec-fetch-site: cross-site\r\n";
  expect(await startStatus(trusted)).toBe(400);
  expect(await wsStatus(trusted)).toBe(101);
  for (const headers of [
    "origin: http://app.example\r\n",
    "origin: https://app.example:8443\r\n",
  ]) {
    expect(await startStatus(headers), headers).toBe(403);
    expect(await wsStatus(headers), headers).toBe(403);
  }
  const host = "host: localhost\r\n";
  for (const path of ["/api/operations/op", "/api/operations/op/events", "/api/events", "/nope"]) {
    const { head } = splitAnswer(await send(`GET ${path}`, host + trusted));
    expect(head, path).toMatch(/^access-control-allow-origin: https:\/\/app\.example$/im);
    expect(head, path).toMatch(/^access-control-expose-headers: .*etag/im);
    expect(head, path).toMatch(/^vary: .*origin/im);
    const other = splitAnswer(await send(`GET ${path}`, `${host}origin: http://evil.example\r\n`));
    expect(other.head, path).not.toMatch(/access-control/i);
  }
  const preflight = "access-control-request-method: POST\r\n";
  const asked = "access-control-request-headers: content-type, authorization\r\n";
  for (const path of ["/api/start-operation", "/api/operations/op", "/nope"]) {
    const answer = await send(`OPTIONS ${path}`, host + trusted + preflight + asked);
    expect(answer, path).toMatch(/^HTTP\/1\.1 204 /);
    expect(answer, path).toMatch(/^access-control-allow-origin: https:\/\/app\.example\r$/im);
    expect(answer, path).toMatch(/^access-control-allow-methods: .*POST.*DELETE\r$/im);
    expect(answer, path).toMatch(/^access-control-allow-headers: content-type, authorization\r$/im);
    expect(answer, path).toMatch(/^vary: .*origin/im);
  }
  const foreign = `${host}origin: http://evil.example\r\n`;
  const refused = await send("OPTIONS /api/start-operation", foreign + preflight + asked);
  expect(refused).not.toMatch(/access-control/i);
  // OPTIONS that ask for nothing are no preflights, and unknown paths stay unknown.
  for (const from of [host, host + trusted, foreign]) {
    expect(await statusOf("OPTIONS /api/start-operation", from)).toBe(405);
    const unknown = await send("OPTIONS /nope", from);
    checkProblem(splitAnswer(unknown).body, 404, "not-found");
    expect(await statusOf("GET /nope", from)).toBe(404);
  }
});

test("what hooks set is on every answer, also on those that a stream writes itself", async () => {
  const operations = [instance(), instance({ id: "done", status: "COMPLETED" })];
  const { url, send } = await startApi(
    { corsOrigins: ["https://app.example"], maxConnectionsPerCaller: 1 },
    operations,
  );
  const headers = "host: localhost\r\norigin: https://app.example\r\n";
  const headOf = async (line: string) => splitAnswer(await send(line, headers)).head;
  const cursor = /^etag: W\/"(.*)"\r$/im.exec(await headOf("GET /api/operations/done"))?.[1];

  const open = await SseClient.connect(new URL("/api/operations/op/events", url), {
    origin: "https://app.example",
  });
  await open.next();
  expect(open.response.headers).toMatchObject({
    "access-control-allow-origin": "https://app.example",
    "x-content-type-options": "nosniff",
  });
  const turnedAway = await send("GET /api/operations/op/events", headers);
  expect(turnedAway).toContain("event: bye");
  open.destroy();
  await eventually("a stream that has nothing left to send", async () =>
    (await headOf(`GET /api/operations/done/events?after=${cursor}`)).startsWith("HTTP/1.1 204"),
  );
  for (const head of [
    splitAnswer(turnedAway).head,
    await headOf(`GET /api/operations/done/events?after=${cursor}`),
    await headOf("GET /api/operations/op"),
    await headOf("GET /api/operations/nope/events"),
    await headOf("POST /api/start-operation"),
    await headOf("GET /api/ws"),
    await headOf("GET /nope"),
    await headOf("PUT /healthz"),
  ]) {
    expect(head).toMatch(/^access-control-allow-origin: https:\/\/app\.example$/im);
    expect(head).toMatch(
      /^access-control-expose-headers: etag, location, .*idempotency-replayed, x-request-id$/im,
    );
    expect(head).toMatch(/^vary: .*origin/im);
    expect(head).toMatch(/^x-content-type-options: nosniff$/im);
    expect(head).toMatch(/^cross-origin-resource-policy: same-origin$/im);
  }
  expect(await headOf("GET /api/operations/op")).toMatch(/^vary: origin, prefer$/im);
});

test("without CORS_ORIGINS no answer depends on the origin", async () => {
  const { send } = await startApi();
  const headers = "host: localhost\r\norigin: https://app.example\r\n";
  const { head } = splitAnswer(await send("GET /api/operations/op", headers));
  expect(head).toMatch(/^vary: prefer$/im);
  expect(head).not.toMatch(/access-control/i);
});
