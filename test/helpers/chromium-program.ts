/**
 * A real Chromium: found on the machine, or else installed.
 *
 * Looked for in this order: `$CHROMIUM_PATH`, the usual commands on the `PATH`, Playwright's own
 * download. Installed from Debian's packages as root, else by Playwright.
 */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
export const INSTALL_TIMEOUT_MS = 600_000;

/** The path of its program, which is installed if need be. */
export async function chromiumPath(): Promise<string> {
  return findChromium() ?? (await installChromium());
}

function findChromium(): string | undefined {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen) {
    if (isExecutable(chosen)) return chosen;
    throw new Error(`CHROMIUM_PATH is "${chosen}", which cannot be executed.`);
  }
  return [...COMMANDS.flatMap(onPath), chromium.executablePath()].find(isExecutable);
}

/** @throws naming the one command that a person can run instead */
async function installChromium(): Promise<string> {
  const isDebianRoot = process.getuid?.() === 0 && onPath("apt-get").some(isExecutable);
  const [command, ...args] = isDebianRoot ? DEBIAN : PLAYWRIGHT;
  console.info("No Chromium found: installing one, which can take some minutes.");
  const failure = await promisify(execFile)(command, args, {
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  }).then(
    () => "It is still not where it should be.",
    (error: Error & { stderr?: string }) => error.stderr || error.message,
  );
  const installed = findChromium();
  if (installed) return installed;
  const byHand = isDebianRoot ? APT : PLAYWRIGHT.join(" ");
  throw new Error(
    "The browser tests need Chromium, and installing it failed. " +
      `Run \`${byHand}\`, or set CHROMIUM_PATH.\n${failure}`,
  );
}

const APT = "apt-get update && apt-get install -y chromium";
/** Test files run side by side: the second to come waits, and then finds nothing left to do. */
const DEBIAN = [
  "flock",
  join(tmpdir(), "dts-push-chromium.lock"),
  ...["sh", "-c", `command -v chromium || { ${APT}; }`],
] as const;
const PLAYWRIGHT = ["npx", "playwright-core", "install", "chromium"] as const;

function onPath(command: string): string[] {
  return (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, command));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
