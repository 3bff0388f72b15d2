import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

test("each script that starts one of our processes uses exec: no shell stays between npm and node", () => {
  const { scripts } = JSON.parse(readFileSync(`${PROJECT}/package.json`, "utf8"));
  const starting = Object.entries<string>(scripts).filter(([, script]) => /\bnode\b/.test(script));
  expect(starting.map(([name]) => name)).toEqual(
    expect.arrayContaining(["start", "api", "worker", "scheduler"]),
  );
  for (const [name, script] of starting) expect(script, name).toMatch(/^exec node /);
});

test("SIGTERM to npm alone closes the server in order", async () => {
  const npm = spawn("npm", ["run", "api"], {
    cwd: PROJECT,
    env: { ...process.env, PORT: "0", ENDPOINT: "http://127.0.0.1:1", DRAIN_DELAY_MS: "0" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  npm.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  // With its pipe, all that it started has ended.
  const ended = new Promise<void>((resolve) => npm.stdout.once("close", resolve));
  onTestFinished(async () => {
    try {
      process.kill(-(npm.pid ?? 0), "SIGKILL");
    } catch {
      // All of it has ended.
    }
    await ended;
  });
  const pid = await eventually("the server", () => /"pid":(\d+)/.exec(output)?.[1]);
  await eventually("the server to listen", () => /listens on/.test(output));
  npm.kill("SIGTERM");
  await within("npm and the server to end", ended);
  expect(output).toMatch(/"signal":"SIGTERM".*"closing"/);
  expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH");
});
