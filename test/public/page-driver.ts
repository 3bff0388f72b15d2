import type { Locator, Page, Request } from "playwright-core";

const RECORD_PHASES = `
  globalThis.phases = [];
  new MutationObserver(([{ target }]) => phases.push(target.dataset.phase)).observe(document, {
    subtree: true,
    attributeFilter: ["data-phase"],
  });
`;

/** The page at `/`, as a person sees it. */
export class PageDriver {
  readonly page: Page;
  /** Every request for the stream of several operations, since the driver was created. */
  readonly streamRequests: Request[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("request", (request) => {
      if (new URL(request.url()).pathname === "/api/events") this.streamRequests.push(request);
    });
  }

  static async open(page: Page, url: URL): Promise<PageDriver> {
    const driver = new PageDriver(page);
    await page.addInitScript(RECORD_PHASES);
    await page.goto(url.href);
    return driver;
  }

  /** Starts an operation through the form and returns its id, once the page shows it. */
  async start(processingTimeS: number, steps: number): Promise<string> {
    const before = await this.cards().count();
    await this.fill(processingTimeS, steps);
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.cards().nth(before).waitFor();
    return (await this.cards().first().locator("code").textContent()) ?? "";
  }

  async fill(processingTimeS: number, steps: number): Promise<void> {
    await this.page.getByLabel("Processing time").fill(String(processingTimeS));
    await this.page.getByLabel("Steps").fill(String(steps));
  }

  cards(): Locator {
    return this.page.getByRole("listitem");
  }

  card(id: string): Locator {
    return this.cards().filter({ has: this.page.getByText(id, { exact: true }) });
  }

  /** Waits until the card of an operation shows this text. */
  async shows(id: string, text: string | RegExp): Promise<void> {
    await this.card(id).getByText(text).first().waitFor();
  }

  /** Waits until an operation is shown in this status. */
  async status(id: string, status: string): Promise<void> {
    await this.card(id).getByText(status, { exact: true }).waitFor();
  }

  /** Waits until the connection is shown in this state. */
  async connection(
    name: "Idle" | "Live" | "Polling" | "Paused" | "Retrying" | "Lost" | "Stale",
  ): Promise<void> {
    await this.page.locator("#connection").getByText(name, { exact: true }).waitFor();
  }

  /** The states that the connection was shown in since the page was loaded, however briefly. */
  async phases(): Promise<string[]> {
    return await this.page.evaluate("phases");
  }

  /** Waits until the page received that many heartbeats from now on. */
  async heartbeats(count: number): Promise<void> {
    const devtools = await this.page.context().newCDPSession(this.page);
    await devtools.send("Network.enable");
    let seen = 0;
    await new Promise<void>((resolve) => {
      devtools.on("Network.eventSourceMessageReceived", ({ eventName }) => {
        if (eventName !== "heartbeat") return;
        seen += 1;
        if (seen === count) resolve();
      });
    });
    await devtools.detach();
  }

  /** Waits until an operation shows more progress than now. */
  async moreProgress(id: string): Promise<void> {
    const now = (await this.percent(id)) ?? "0";
    await this.card(id).locator(`[aria-valuenow]:not([aria-valuenow="${now}"])`).waitFor();
  }

  /**
   * Makes the page believe that it is hidden or visible: headless Chromium says "visible" of every
   * tab, whether in front or minimized.
   */
  async setVisibility(state: "hidden" | "visible"): Promise<void> {
    await this.page.evaluate(`
      Object.defineProperty(document, "visibilityState", { configurable: true, value: "${state}" });
      document.dispatchEvent(new Event("visibilitychange"));
    `);
  }

  /** Waits until an operation shows some progress. */
  async progress(id: string): Promise<void> {
    await this.card(id).locator('[aria-valuenow]:not([aria-valuenow="0"])').waitFor();
  }

  /** What the progress bar of an operation says, in percent; nothing where it says nothing. */
  async percent(id: string): Promise<string | null> {
    return await this.card(id).getByRole("progressbar").getAttribute("aria-valuenow");
  }
}
