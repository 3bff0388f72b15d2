import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { openApiKeyFile } from "../../../src/api/credentials/api-key-file.ts";
import { ApiKeys } from "../../../src/api/credentials/api-keys.ts";
import { startLog } from "../../dts/support/log.ts";
import { createKey, createKeyFile } from "../../helpers/api-key.ts";
import { eventually } from "../../helpers/deadline.ts";

const MAKE_KEY = fileURLToPath(new URL("../../../scripts/make-key.ts", import.meta.url));

function keysFile(...lines: string[]) {
  const file = createKeyFile(...lines);
  onTestFinished(file.remove);
  return file;
}

test("a key is found by its SHA-256 alone, and has its scopes (KEYS-1)", () => {
  const shop = createKey("shop", "operations:read:order-*");
  const ops = createKey("ops", "operations:read", "operations:control");
  const keys = new ApiKeys(`${shop.line}\n\n${ops.line}\n`);
  expect(keys.size).toBe(2);
  expect(keys.find(shop.key)).toMatchObject({
    caller: "key:shop",
    authentication: "key",
    grants: [{ scope: "operations:read", prefix: "order-" }],
    expiresAtMs: undefined,
  });
  expect(keys.find(ops.key)?.has("operations:control")).toBe(true);
  for (const wrong of ["", "x", shop.key.slice(1), `${shop.key}x`, JSON.parse(shop.line).sha256]) {
    expect(keys.find(wrong), wrong).toBeUndefined();
  }
});

test("every line that is wrong is named, and no digest is shown", () => {
  const good = createKey("good", "operations:read").line;
  const { sha256 } = JSON.parse(good);
  const lines: [string, string][] = [
    ["no JSON at all", "it is not a JSON object"],
    ["[]", "it is not a JSON object"],
    [JSON.stringify({ sha256, scopes: ["operations:read"] }), '"name" must be 1 to 100'],
    [JSON.stringify({ name: "a b", sha256, scopes: ["operations:read"] }), '"name" must be'],
    [
      JSON.stringify({ name: "a", sha256: "12", scopes: ["operations:read"] }),
      '"sha256" must be 64',
    ],
    [JSON.stringify({ name: "a", sha256, scopes: [] }), '"scopes" must be a list'],
    [JSON.stringify({ name: "a", sha256, scopes: "operations:read" }), '"scopes" must be a list'],
    [JSON.stringify({ name: "a", sha256, scopes: ["read"] }), '"read" is not a scope. There are '],
    [JSON.stringify({ name: "a", sha256, scopes: [1] }), "1 is not a scope"],
    [
      JSON.stringify({ name: "a", sha256, scopes: ["operations:read"], key: "k" }),
      '"key" is not known',
    ],
    [good, "the key is that of line 1"],
  ];
  const read = () => new ApiKeys([good, ...lines.map(([line]) => line)].join("\n"));
  expect(read).toThrow();
  let message = "";
  try {
    read();
  } catch (error) {
    ({ message } = error as Error);
  }
  const complaints = message.split("\n");
  expect(complaints).toHaveLength(lines.length);
  lines.forEach(([, reason], index) => {
    expect(complaints[index]).toContain(`line ${index + 2}: ${reason}`);
  });
  expect(message).not.toContain(sha256);
});

test("a key that is removed or changed is revoked, and the others keep their access (KEYS-3)", () => {
  const [kept, removed, changed] = ["kept", "removed", "changed"].map((name) =>
    createKey(name, "operations:read"),
  ) as [ReturnType<typeof createKey>, ReturnType<typeof createKey>, ReturnType<typeof createKey>];
  const keys = new ApiKeys([kept, removed, changed].map(({ line }) => line).join("\n"));
  const before = [kept, removed, changed].map(({ key }) => keys.find(key));
  const narrower = changed.line.replace("operations:read", "operations:read:a*");
  keys.replace([narrower, kept.line].join("\n"));
  expect(keys.find(kept.key)).toBe(before[0]);
  expect(keys.find(removed.key)).toBeUndefined();
  expect(keys.find(changed.key)?.mayRead("b")).toBe(false);
  expect(before.map((access) => access?.hasEnded(0))).toEqual([false, true, true]);
  expect(() => keys.replace("nonsense")).toThrow();
  expect(keys.find(kept.key)).toBe(before[0]);
});

test("the file is read again when it changes; a content that cannot be used changes nothing", async () => {
  const [first, second] = [
    createKey("first", "operations:read"),
    createKey("second", "hints:send"),
  ];
  const file = keysFile(first.line);
  const log = startLog("info");
  const { keys, close } = openApiKeyFile(file.path, log.logger);
  onTestFinished(close);
  file.write(first.line, second.line);
  await eventually("the second key", () => keys.find(second.key) !== undefined);
  file.write(first.line, "nonsense");
  const line = await log.logged(/cannot be used/);
  expect(line.reason).toBe("  - line 2: it is not a JSON object");
  expect(keys.find(second.key)).toBeDefined();
  file.write(second.line);
  await eventually("the first key to be gone", () => keys.find(first.key) === undefined);
  rmSync(file.path);
  await eventually("a line about the missing file", () =>
    log.lines.some(({ reason }) => /ENOENT/.test(reason)),
  );
  expect(keys.find(second.key)).toBeDefined();
});

test("a file that cannot be used when the server starts is an error that names it", () => {
  const { logger } = startLog("silent");
  expect(() => openApiKeyFile("/nowhere/keys.jsonl", logger)).toThrow(
    /API_KEYS_FILE \(\/nowhere\/keys\.jsonl\) cannot be used:\nENOENT/,
  );
  const file = keysFile("nonsense");
  expect(() => openApiKeyFile(file.path, logger)).toThrow("line 1: it is not a JSON object");
});

test("make-key prints the line for the file, and the key beside it", async () => {
  const run = promisify(execFile);
  const args = [MAKE_KEY, "shop", "operations:read:order-*", "operations:start:name=ship order"];
  const { stdout, stderr } = await run(process.execPath, args);
  const [, key = ""] = /: (dtspush_[\w-]{43})\n$/.exec(stderr) ?? [];
  expect(stdout).not.toContain(key);
  expect(new ApiKeys(stdout).find(key)).toMatchObject({
    caller: "key:shop",
    grants: [
      { scope: "operations:read", prefix: "order-" },
      { scope: "operations:start", name: "ship order" },
    ],
  });
  for (const [bad, reason] of [
    [[], "Usage:"],
    [["shop"], '"scopes" must be'],
    [["shop", "read"], '"read" is not a scope'],
  ] as const) {
    const failed = await run(process.execPath, [MAKE_KEY, ...bad]).catch((error) => error);
    expect(failed).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(reason) });
  }
});
