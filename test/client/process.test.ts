/** The client in a process of its own: that process ends, also with a Node.js that has no WebSocket. */

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { onEnd } from "../helpers/lifetime.ts";
import { bundle } from "./support/bundle.ts";
import { TRANSPORTS, useScriptedServer } from "./support/server.ts";

const server = useScriptedServer();

/** Runs a module that has `client` and `id`. @returns what it printed, once its process has ended */
async function run(code: string, transport = "auto", node = process.execPath): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "dts-push-client-"));
  onEnd(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "client.mjs"), await bundle("client.ts"));
  const file = join(folder, "main.mjs");
  const { id } = server.operation();
  const given = JSON.stringify({ url: server.url, transport });
  writeFileSync(
    file,
    `import { createClient } from "./client.mjs";
const [client, id] = [createClient(${given}), "${id}"];
${code}`,
  );
  const { stdout } = await promisify(execFile)(node, [file], { timeout: 60_000 });
  return stdout;
}

test.each(TRANSPORTS)("over %s, nothing keeps a process alive after abort", async (transport) => {
  const code = `
const stop = new AbortController();
try {
  for await (const { status } of client.watch(id, { signal: stop.signal })) {
    console.log(status);
    setTimeout(() => stop.abort(new Error("enough")), 10);
  }
} catch ({ message }) { console.log(message) }`;
  expect(await run(code, transport)).toBe("RUNNING\nenough\n");
});

test("memory does not grow with the number of changes", async () => {
  const code = `
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const body = (n) => JSON.stringify({ type: "update", operation: { operation_id: id, status: n === 60_000 ? "Completed" : "RUNNING", cursor: String(n) } });
let n = 0;
const used = [];
const pull = async (controller) => {
  await new Promise((resolve) => setImmediate(resolve)); // as from a network
  let text = "";
  for (let each = 0; each < 100; each++) text += \`id: \${n}\\ndata: \${body(++n)}\\n\\n\`;
  if (n === 60_000) text += 'data: {"type":"bye","reason":"terminal","reconnect":false}\\n\\n';
  controller.enqueue(new TextEncoder().encode(text));
};
const fake = createClient({ url: "http://localhost/", transport: "sse", fetch: async () => new Response(new ReadableStream({ pull })) });
let seen = 0;
for await (const each of fake.watch(id)) {
  if (++seen % 20_000 === 0) { gc(); used.push(process.memoryUsage().heapUsed) }
}
console.log(JSON.stringify([seen, used[2] - used[0]]));`;
  const [seen, grown] = JSON.parse(await run(code));
  expect(seen).toBe(60_000);
  expect(grown).toBeLessThan(1_000_000);
});

const NODE_20 = ["/usr/bin/node", "/usr/local/bin/node"].find(existsSync);

test.skipIf(!NODE_20)("with a Node.js that has no WebSocket it is server-sent events", async () => {
  const code = `
for await (const { status } of client.watch(id, { onState: ({ transport }) => transport && console.log(transport) })) break;
console.log(process.version.split(".")[0], typeof WebSocket);`;
  const printed = await run(code, "auto", NODE_20);
  if (printed.includes("undefined")) expect(printed).toContain("sse\n");
});
