/**
 * `npm run test:package`: packs the package, checks what it exports, installs it into an empty folder and
 * uses it as a stranger would: its types, its command, its server, its plugin and its client.
 */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../helpers/deadline.ts";
import { freePort } from "../helpers/free-port.ts";

const ROOT = join(import.meta.dirname, "../..");
const WITHIN_MS = 240_000;
const TOKEN = "secret-of-ada";

const folder = mkdtempSync(join(tmpdir(), "dts-push-package-"));
const app = join(folder, "app");
const children: ChildProcess[] = [];

try {
  const tarball = pack();
  inRoot("publint", ["run", tarball, "--strict"]);
  inRoot("attw", [tarball, "--profile", "esm-only"]);
  install(tarball);
  checkExports();
  checkTypes();
  await useIt();
  console.log("The package works.");
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

function pack(): string {
  step("npm pack");
  const before = readFileSync(join(ROOT, "package.json"), "utf8");
  execFileSync("npm", ["pack", "--pack-destination", folder], { cwd: ROOT, stdio: "pipe" });
  assert.equal(readFileSync(join(ROOT, "package.json"), "utf8"), before);
  return join(folder, `dts-push-${JSON.parse(before).version}.tgz`);
}

/** Into an empty folder, from the registry: once more where that fails, since it is a network. */
function install(tarball: string): void {
  step("npm install");
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const besides = ["react", "@types/react", "@types/node"];
  const packages = [tarball, ...besides.map((name) => `${name}@${devDependencies[name]}`)];
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages];
  try {
    inApp("npm", args);
  } catch {
    inApp("npm", args);
  }
}

function checkExports(): void {
  step("imports of every export");
  writeFileSync(
    join(app, "exports.mjs"),
    `import { createDtsPush, dtsPush } from "dts-push";
import { createClient } from "dts-push/client";
import { useOperation } from "dts-push/react";
import { HintSender, hintInterceptor } from "dts-push/worker";
const all = [createDtsPush, dtsPush, createClient, useOperation, HintSender, hintInterceptor];
console.log(all.every((each) => typeof each === "function"));`,
  );
  assert.equal(inApp("node", ["exports.mjs"]).trim(), "true");
}

function checkTypes(): void {
  step("types for a program of one's own");
  writeFileSync(
    join(app, "typed.ts"),
    `import { type AppCaller, createDtsPush, type DtsPushOptions, dtsPush } from "dts-push";
import { createClient } from "dts-push/client";
import { useOperation } from "dts-push/react";
import { HintSender, hintInterceptor } from "dts-push/worker";
const ada: AppCaller = { caller: "ada", grants: ["operations:read:order-*"] };
export const options: DtsPushOptions = { taskHub: "orders", corsOrigins: ["https://a.example"], authenticate: () => ada };
// @ts-expect-error: a number
export const wrong: DtsPushOptions = { pollMinMs: "soon" };
export const running: Promise<{ url: string }> = createDtsPush({ port: 0, apiKeysFile: "keys" });
export async function last(id: string): Promise<string | undefined> {
  let status: string | undefined;
  for await (const operation of createClient({ url: "http://localhost" }).watch(id)) status = operation.status;
  return status;
}
const sender = new HintSender({ url: "http://localhost:8000" });
export const all = [dtsPush, useOperation, hintInterceptor((id) => sender.hint(id))];`,
  );
  const compilerOptions = {
    module: "nodenext",
    target: "es2024",
    lib: ["es2024", "dom"],
    strict: true,
    noEmit: true,
    skipLibCheck: true, // of packages that are not ours
    types: ["node"],
  };
  writeFileSync(
    join(app, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["typed.ts"] }),
  );
  inApp(join(ROOT, "node_modules/.bin/tsc"), ["-p", "."]);
}

async function useIt(): Promise<void> {
  step("the command, its server, and the plugin in two applications");
  const command = join(app, "node_modules/.bin/dts-push");
  assert.match(inApp(command, ["--help"]), /watch/);
  const schedulerPort = String(await freePort());
  const server = start(command, ["start"], {
    PORT: "0",
    SCHEDULER_PORT: schedulerPort,
    SCHEDULER_DB: ":memory:",
  });
  const url = await printed(server, /(?:open|listens on) (http:\S+)\/ /);
  const started = await fetch(`${url}/api/start-operation`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ processing_time: 1, operation_id: "order-1" }),
  });
  assert.equal(started.status, 202);
  assert.match(inApp(command, ["watch", "order-1", "--url", url]), /Completed/);
  assert.equal((await fetch(`${url}/client/client.js`)).status, 200);
  for (const path of ["/", "/docs", "/openapi.json"]) {
    assert.equal((await fetch(url + path)).status, 200, path);
  }
  for (const example of ["embed-fastify.mjs", "embed-node-http.mjs"]) {
    copyFileSync(join(ROOT, "examples", example), join(app, example));
    const env = { ENDPOINT: `http://localhost:${schedulerPort}`, PORT: "0" };
    const application = start("node", [example], env);
    const own = await printed(application, /(http:\S+)/);
    assert.match(await (await fetch(own)).text(), /own page/);
    assert.equal((await fetch(`${own}/push/api/operations/order-1`)).status, 401);
    const watch = ["watch", "order-1", "--url", `${own}/push`, "--token", TOKEN];
    assert.match(inApp(command, watch), /Completed/, example);
    assert.equal(await ended(application), 0, example);
  }
  assert.equal(await ended(server), 0);
}

function step(what: string): void {
  console.log(`- ${what}`);
}

function inRoot(command: string, args: readonly string[]): void {
  step(command);
  execFileSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
}

/** @returns what it printed. @throws Error with what it printed, where its code is not 0 */
function inApp(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: app, encoding: "utf8", timeout: WITHIN_MS });
}

interface Started extends ChildProcess {
  text: string;
}

function start(command: string, args: readonly string[], env: Record<string, string>): Started {
  const child = spawn(command, args, {
    cwd: app,
    env: { PATH: process.env.PATH ?? "", DRAIN_DELAY_MS: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const started = Object.assign(child, { text: "" });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    started.text += text;
  });
  return started;
}

async function printed(child: Started, pattern: RegExp): Promise<string> {
  const match = await eventually(
    `${pattern}`,
    () => pattern.exec(child.text) ?? undefined,
    WITHIN_MS,
  );
  return match[1] ?? "";
}

/** Its code, after SIGTERM. */
async function ended(child: ChildProcess): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once("exit", resolve);
  child.kill("SIGTERM");
  return promise;
}
