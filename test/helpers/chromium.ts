/**
 * A real Chromium for tests: found on the machine, or else installed.
 *
 * Looked for in this order: `$CHROMIUM_PATH`, the usual commands on the `PATH`, Playwright's own
 * download. Installed from Debian's packages as root, else by Playwright.
 */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { onEnd, share } from "./lifetime.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const INSTALL_TIMEOUT_MS = 600_000;
/** As in deadline.ts, and below a test's own deadline: a wait that gives up says what it waited for. */
const WAIT_TIMEOUT_MS = 60_000;

/** Off: what Chromium asks of its maker's servers, which a test must neither wait for nor need. */
const ARGUMENTS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A page, and what it said on its console that a developer would call wrong. */
export interface TestPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught exceptions, console errors (content security violations among them), so far. */
  readonly complaints: readonly string[];
}

/**
 * Call it once at the top of a test file: one Chromium is started before the first test.
 * @param more further arguments of its command line
 * @returns opens a page in an empty profile of its own, which is closed when the test ends, however it
 *   ends
 */
export function useChromium(more: readonly string[] = []): () => Promise<TestPage> {
  const shared = share(async () => {
    // Playwright turns Chromium's sandbox off, without which it does not start as root.
    const browser = await chromium.launch({
      executablePath: findChromium() ?? (await installChromium()),
      args: [...ARGUMENTS, ...more],
      ignoreDefaultArgs: ["--disable-back-forward-cache"], // people's browsers have one
    });
    onEnd(() => browser.close());
    return { browser };
  }, INSTALL_TIMEOUT_MS);

  return async () => {
    const context = await shared.browser.newContext();
    onEnd(() => context.close());
    context.setDefaultTimeout(WAIT_TIMEOUT_MS);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    return { page, context, complaints };
  };
}

/** Goes back to a page in the back/forward cache, which Playwright's own `goBack` would wait for in vain. */
export function goBack(page: Page): void {
  // Its answer is lost where the page has gone before it could be given.
  page.evaluate("history.back()").catch(() => undefined);
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
