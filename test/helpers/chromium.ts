/** A real Chromium for tests. */
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { chromiumPath, INSTALL_TIMEOUT_MS } from "./chromium-program.ts";
import { onEnd, share } from "./lifetime.ts";

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
