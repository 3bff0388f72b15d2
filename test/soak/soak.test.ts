import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
/** It has no limit of time of its own while it makes progress. */
const TIMEOUT_MS = 600_000;

test(
  "100 clients see every state of theirs once, in order and to the end, through kills, halts and cuts (SOAK-1 to SOAK-3)",
  async () => {
    // The plan of this seed begins with different kinds of faults. A slow machine gets to fewer of them.
    const { SEED = "372173" } = process.env;
    const args = ["--minutes", "0.35", "--clients", "100", "--seed", SEED, "--busy"];
    const flags = ["--disable-warning=ExperimentalWarning"];
    const soak = spawn(process.execPath, [...flags, MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void soak.kill("SIGTERM"));
    let output = "";
    for (const stream of [soak.stdout, soak.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const [code] = await once(soak, "close");
    expect(output).toContain("passed");
    expect(code).toBe(0);
  },
  TIMEOUT_MS,
);
