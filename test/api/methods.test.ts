import { METHODS } from "node:http";
import { expect, test } from "vitest";
import { problemOf } from "./support/problem.ts";
import { exchange } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const ALLOWED: Readonly<Record<string, string>> = {
  "/": "GET, HEAD",
  "/api/start-operation": "POST",
  "/api/operations": "DELETE, GET, HEAD, POST",
  "/api/history": "GET",
  "/api/operations/x": "DELETE, GET, HEAD",
  "/api/operations/x/suspend": "POST",
  "/api/suspend": "POST",
  "/api/operations/x/events": "GET",
  "/api/operations/x/history": "GET",
  "/api/events": "GET, POST",
  "/api/ws": "GET",
  "/healthz": "GET, HEAD",
  "/readyz": "GET, HEAD",
  "/metrics": "GET, HEAD",
  "/base.css": "GET, HEAD",
};

test("every method that a path does not support is 405 with Allow and without a stream", async () => {
  for (const [path, allow] of Object.entries(ALLOWED)) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      if (allow.split(", ").includes(method)) continue;
      const body = method === "GET" ? null : "no JSON at all";
      const response = await fetch(new URL(path, stack.url), { method, body });
      const what = `${method} ${path}`;
      const { detail } = await problemOf(response, 405, "method-not-allowed", what);
      expect(response.headers.get("allow"), what).toBe(allow);
      expect(detail, what).toBe(`${method} is not possible here. Use ${allow}.`);
    }
  }
});

test("HEAD has no body: 405 for event streams and starts, the GET's headers elsewhere", async () => {
  for (const path of [
    "/api/operations/x/events",
    "/api/events",
    "/api/start-operation",
    "/api/ws",
  ]) {
    const response = await fetch(new URL(path, stack.url), { method: "HEAD" });
    expect(response.status, path).toBe(405);
    expect(response.headers.get("allow"), path).toBe(ALLOWED[path]);
  }
  const id = await stack.client.scheduleNewOrchestration("unserved");
  const url = new URL(`/api/operations/${id}`, stack.url);
  const [head, get] = await Promise.all([fetch(url, { method: "HEAD" }), fetch(url)]);
  expect(head.status).toBe(200);
  expect(head.headers.get("etag")).toBe(get.headers.get("etag"));
  expect(await head.text()).toBe("");
});

test("a method of HTTP that this server does not support is 405", async () => {
  const known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];
  for (const method of METHODS.filter((each) => !known.includes(each))) {
    const answer = await exchange(
      stack.url,
      `${method} /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    expect(answer, method).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer, method).toMatch(/^allow: GET, HEAD\r$/m);
    expect(answer, method).toContain("application/problem+json");
  }
});

test("an unknown path is 404 for every method", async () => {
  for (const path of ["/nope", "/api", "/api/", "/../package.json", "/.env"]) {
    for (const method of ["GET", "POST", "DELETE"]) {
      const response = await fetch(new URL(path, stack.url), { method });
      await problemOf(response, 404, "not-found", `${method} ${path}`);
    }
  }
});
