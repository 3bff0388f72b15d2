import { expect, test } from "vitest";
import { callerAddress } from "../../src/api/access/caller-address.ts";
import { parseTrustedProxies } from "../../src/api/access/trusted-proxies.ts";
import type { Config } from "../../src/config.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { problemOf } from "./support/problem.ts";

/** An API at which each caller has one subscription, so that two callers can be told apart. */
async function startApi(trustProxy: string, overrides: Partial<Config> = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const trustedProxies = parseTrustedProxies(trustProxy);
  const options = { maxSubscriptionsPerCaller: 1, ...overrides, trustedProxies };
  const { url } = await startTestApi(scheduler.address, options);
  /** Opens a stream through proxies that send this header, and returns whether it was accepted. */
  const opens = async (forwardedFor: string): Promise<boolean> => {
    const headers = { "x-forwarded-for": forwardedFor };
    const client = await SseClient.connect(new URL("/api/operations/op/events", url), headers);
    return (await client.next("the first event of a stream")).event === "snapshot";
  };
  const get = (headers: Record<string, string>) =>
    fetch(new URL("/api/operations/op", url), { headers });
  return { url, opens, get };
}

test("without TRUST_PROXY a client cannot pass for another caller", async () => {
  const { opens } = await startApi("");
  expect(await opens("192.0.2.1")).toBe(true);
  expect(await opens("192.0.2.2")).toBe(false);
});

test.each(["127.0.0.1", "loopback", "10.0.0.0/8, 127.0.0.0/8", "1"])(
  "behind the proxies of TRUST_PROXY=%s each client is a caller of its own",
  async (trustProxy) => {
    const { opens } = await startApi(trustProxy);
    expect(await opens("192.0.2.1")).toBe(true);
    expect(await opens("192.0.2.1")).toBe(false);
    expect(await opens("192.0.2.2")).toBe(true);
    // The proxy adds the address that it sees; what is before it is the client's own.
    expect(await opens("192.0.2.77, 192.0.2.1")).toBe(false);
    expect(await opens("192.0.2.77,nonsense, 192.0.2.2")).toBe(false);
    // With the client's port, which is another one for each connection.
    expect(await opens("192.0.2.1:5001")).toBe(false);
    // One network of IPv6 is one caller.
    expect(await opens("2001:db8:1:2::3")).toBe(true);
    expect(await opens("2001:0db8:1:2:ffff::4")).toBe(false);
    expect(await opens("[2001:db8:1:2::9]:443")).toBe(false);
    expect(await opens("2001:db8:1:3::3")).toBe(true);
  },
);

test("a proxy that TRUST_PROXY does not list is a client like any other", async () => {
  const { opens } = await startApi("192.0.2.0/24");
  expect(await opens("198.51.100.1")).toBe(true);
  expect(await opens("198.51.100.2")).toBe(false);
});

test("each proxy in a row is trusted by itself", async () => {
  const { opens } = await startApi("loopback, 192.0.2.0/24");
  expect(await opens("203.0.113.1, 198.51.100.1, 192.0.2.9:443")).toBe(true);
  expect(await opens("203.0.113.2, 198.51.100.1, 192.0.2.9")).toBe(false);
});

test("of a forwarded address that is none, the proxy is the caller", async () => {
  const { opens } = await startApi("1");
  expect(await opens("nonsense")).toBe(true);
  expect(await opens("_hidden")).toBe(false);
});

test("a trusted X-Forwarded-Host is checked as Host is, and Host all the same (ACCESS-1)", async () => {
  const { get } = await startApi("1", { allowedHosts: ["push.example"] });
  const forwarded = (host: string) => get({ "x-forwarded-host": host });
  expect((await forwarded("push.example")).status).toBe(200);
  expect((await forwarded("PUSH.example:443")).status).toBe(200);
  await problemOf(await forwarded("evil.example"), 421, "host-not-allowed");
  await problemOf(await forwarded("push.example, evil.example"), 421, "host-not-allowed");
  await problemOf(await forwarded("no host"), 400, "invalid-request");
  const rebound = { host: "evil.example", "x-forwarded-host": "push.example" };
  const { url } = await startApi("1", { allowedHosts: ["push.example"] });
  const client = await SseClient.connect(new URL("/api/events", url), rebound);
  expect(client.status).toBe(421);
});

test("without TRUST_PROXY X-Forwarded-Host means nothing", async () => {
  const { get } = await startApi("");
  expect((await get({ "x-forwarded-host": "evil.example" })).status).toBe(200);
});

test("a page's own origin is that of a trusted X-Forwarded-Host", async () => {
  const start = async (trustProxy: string) => {
    const { url } = await startApi(trustProxy, { allowedHosts: ["push.example"] });
    const headers = {
      origin: "https://push.example",
      "x-forwarded-host": "push.example",
      "content-type": "application/json",
    };
    const response = await fetch(new URL("/api/start-operation", url), {
      method: "POST",
      headers,
      body: "[]",
    });
    return response.status;
  };
  expect(await start("1")).toBe(400); // past the guard, and no start
  expect(await start("")).toBe(403);
});

test("TRUST_PROXY names proxies, and never everybody", () => {
  for (const text of ["", " ", "0"]) expect(parseTrustedProxies(text)).toBeUndefined();
  for (const text of [
    "true",
    "*",
    "proxy.example",
    "10.0.0.0/33",
    "1,10.0.0.1",
    "11",
    "-1",
    "10.0.0.1,,",
  ]) {
    expect(() => parseTrustedProxies(text), text).toThrow(/"/);
  }
  for (const text of ["0.0.0.0/0", "::/0", "10.0.0.0/8, ::/00", "1.2.3.4/0.0.0.0"]) {
    expect(() => parseTrustedProxies(text), text).toThrow("trusts every client");
  }
});

test("a caller's address is an IPv4 address or a network of IPv6", () => {
  const of = (ip: string) =>
    callerAddress({ ip, socket: { remoteAddress: "192.0.2.9" } } as Parameters<
      typeof callerAddress
    >[0]);
  expect(of("192.0.2.1")).toBe("192.0.2.1");
  expect(of("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(of("::1")).toBe("::1");
  expect(of("fe80::1:2%eth0")).toBe("fe80:0:0:0::/64");
  expect(of("2001:DB8::1")).toBe("2001:db8:0:0::/64");
  expect(of("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(of("::2:3:4:5:6:7")).toBe("0:0:2:3::/64");
  expect(of("x".repeat(10_000))).toBe("192.0.2.9");
});
