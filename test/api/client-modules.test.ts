import { expect, test } from "vitest";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();
const get = (path: string, headers = {}) => fetch(new URL(path, stack.url), { headers });

test("the client is served as JavaScript, with all that it imports", async () => {
  const toRead = ["/client/client.js"];
  for (const path of toRead) {
    const response = await get(path);
    expect(response.status, path).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    const source = await response.text();
    expect(source, path).not.toContain('.ts"');
    for (const [, name = ""] of source.matchAll(/from "(\.{1,2}\/[^"]+)"/g)) {
      const { pathname } = new URL(name, new URL(path, stack.url));
      if (!toRead.includes(pathname)) toRead.push(pathname);
    }
  }
  expect(toRead).toContain("/client/transports/websocket.js");
});

test("a module that has not changed is 304", async () => {
  const etag = (await get("/client/client.js")).headers.get("etag") ?? "";
  expect((await get("/client/client.js", { "if-none-match": etag })).status).toBe(304);
  expect((await get("/client/client.ts")).status).toBe(404);
});
