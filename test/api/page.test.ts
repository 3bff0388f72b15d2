import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { exchange } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const TYPES: Readonly<Record<string, RegExp>> = {
  html: /^text\/html; charset=utf-8$/,
  css: /^text\/css/,
  js: /^(text|application)\/javascript/,
  svg: /^image\/svg\+xml/,
};

test("the page and each of its files come with a type and a policy that allows no inline code", async () => {
  const files = await readdir(new URL("../../public", import.meta.url), { recursive: true });
  const names = files.filter((name) => /\.(html|css|js|svg)$/.test(name));
  expect(names).toContain("app/main.js");
  const views = ["", "start", "connection", "operations/", "operations/any"];
  for (const path of [...views, ...names, "vendor/lit-html/lit-html.js"]) {
    const response = await fetch(new URL(`/${path}`, stack.url));
    const extension = /\.([a-z]+)$/.exec(path)?.[1] ?? "html";
    expect(response.status, path).toBe(200);
    expect(response.headers.get("content-type"), path).toMatch(TYPES[extension] ?? /never/);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy, path).toContain("default-src 'self'");
    expect(policy, path).toContain("frame-ancestors 'none'");
    expect(policy, path).not.toMatch(/unsafe|\*/);
    expect(Object.fromEntries(response.headers), path).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    });
    expect(response.headers.has("strict-transport-security"), path).toBe(false);
    expect(response.headers.get("cache-control"), path).toBe("no-cache");
    await response.arrayBuffer();
  }
});

test("the page holds no inline script, style or handler", async () => {
  const html = await (await fetch(stack.url)).text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/i);
  expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=/i);
});

test("a reload of an unchanged page is answered 304", async () => {
  const etag = (await fetch(stack.url)).headers.get("etag");
  // Not by fetch, which asks for a copy without caches as soon as it is given a condition.
  const answer = await exchange(
    stack.url,
    `GET / HTTP/1.1\r\nhost: localhost\r\nif-none-match: ${etag}\r\nconnection: close\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 304 /);
});

test("nothing outside the page's folder is served", async () => {
  for (const path of [
    "/..%2Fpackage.json",
    "/%2e%2e/package.json",
    "/..%5cpackage.json",
    "/.git/config",
    "//etc/passwd",
    "/src/main.ts",
    "/base.css%00.js",
  ]) {
    const response = await fetch(`${stack.url.origin}${path}`);
    expect([400, 404], path).toContain(response.status);
    expect(response.headers.get("content-type"), path).toContain("application/problem+json");
    expect(await response.text(), path).not.toMatch(/"dts-push"|root:|\/work|FST_/);
  }
});
