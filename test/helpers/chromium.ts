/** A real Chromium for tests. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { chromiumPath, INSTALL_TIMEOUT_MS } from "./chromium-program.ts";
import { eventually, within } from "./deadline.ts";
import { onEnd, share } from "./lifetime.ts";
import { temporaryFolder } from "./process.ts";

/** As in deadline.ts, and below a test's own deadline: a wait that gives up says what it waited for. */
const WAIT_TIMEOUT_MS = 60_000;
/** Of 30 s each. On a busy machine one may hang beside a tab that Chromium is still opening. */
const CONNECT_ATTEMPTS = 4;

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
      executablePath: await chromiumPath(),
      args: [...ARGUMENTS, ...more],
      ignoreDefaultArgs: ["--disable-back-forward-cache"], // people's browsers have one
    });
    onEnd(() => browser.close());
    return { browser };
  }, INSTALL_TIMEOUT_MS);

  return async () => {
    const context = await shared.browser.newContext();
    onEnd(() => context.close());
    return openPage(context);
  };
}

/**
 * A Chromium of its own, until the test ends, whose tabs the browser can hide and freeze as a person's does. Playwright's
 * contexts keep every tab visible, and Chromium freezes no visible tab.
 * @returns opens a tab
 */
export async function startFreezingChromium(): Promise<() => Promise<TestPage>> {
  const profile = await temporaryFolder();
  const options = ["--headless", "--no-sandbox", "--remote-debugging-port=0"];
  // An empty tab: that of new tabs keeps a busy machine loading.
  const args = [...ARGUMENTS, ...options, `--user-data-dir=${profile}`, "about:blank"];
  const child = spawn(await chromiumPath(), args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  onEnd(async () => {
    child.kill("SIGKILL");
    await within("the end of Chromium", exited);
  });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const [, url = ""] = await eventually("the address of Chromium", () => {
    return /DevTools listening on (ws:\S+)/.exec(printed) ?? undefined;
  });
  const browser = await connect(url);
  onEnd(() => browser.close());
  const [context] = browser.contexts();
  if (!context) throw new Error("Chromium has no context of its own.");
  return () => openPage(context);
}

async function connect(url: string): Promise<Browser> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await chromium.connectOverCDP(url, { noDefaults: true });
    } catch (error) {
      if (attempt === CONNECT_ATTEMPTS) throw error;
    }
  }
}

async function openPage(context: BrowserContext): Promise<TestPage> {
  context.setDefaultTimeout(WAIT_TIMEOUT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return { page, context, complaints };
}

/** Goes back to a page in the back/forward cache, which Playwright's own `goBack` would wait for in vain. */
export function goBack(page: Page): void {
  // Its answer is lost where the page has gone before it could be given.
  page.evaluate("history.back()").catch(() => undefined);
}
