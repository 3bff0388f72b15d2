import type { Locator, Page } from "playwright-core";
import { eventually } from "../helpers/deadline.ts";

/** The page, as a person sees it. */
export class PageDriver {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  static async open(page: Page, url: URL, path = ""): Promise<PageDriver> {
    await page.goto(new URL(path, url).href);
    return new PageDriver(page);
  }

  /** Starts the sample in the form, which opens its view. @returns its id */
  async startSample(processingTimeS: number, steps: number): Promise<string> {
    await this.page.getByRole("link", { name: "Start", exact: true }).click();
    await this.page.getByLabel("Processing time").fill(String(processingTimeS));
    await this.page.getByLabel("Steps").fill(String(steps));
    await this.page.getByRole("button", { name: "Start the sample" }).click();
    return (await this.page.locator(".operation-head .id code").textContent()) ?? "";
  }

  /** Waits until the view of one operation shows this status. */
  async status(label: string): Promise<void> {
    await this.page.locator(".operation-head .badge", { hasText: label }).waitFor();
  }

  /** Presses a button of the view of one operation, and confirms. */
  async act(name: string, fill = async (_dialog: Locator): Promise<void> => undefined) {
    await this.page.getByRole("button", { name, exact: true }).click();
    const dialog = this.page.getByRole("dialog");
    await fill(dialog);
    await dialog.locator("[type=submit]").click();
    await dialog.waitFor({ state: "detached" });
  }

  /** The row of an operation in the list. */
  row(id: string): Locator {
    return this.page.locator(".rows [role=row]", { has: this.page.getByText(id, { exact: true }) });
  }

  /** Waits until the row of an operation shows this text. */
  async rowShows(id: string, text: string): Promise<void> {
    await this.row(id).getByText(text).first().waitFor();
  }

  /** Waits until the indicator shows this. */
  async connection(text: string): Promise<void> {
    await this.page.locator("#indicator").getByText(text, { exact: true }).waitFor();
  }

  /** Waits until the progress bar of a row, or of the view of one operation, is beyond `percent`. */
  async progressBeyond(percent: number, bar: Locator): Promise<void> {
    await eventually(`progress beyond ${percent} %`, async () => (await percentOf(bar)) > percent);
  }

  /** Value of a progress bar; nothing where there is none. */
  async percent(scope: Locator): Promise<number | undefined> {
    const bar = scope.getByRole("progressbar");
    if ((await bar.count()) === 0) return undefined;
    return percentOf(bar);
  }
}

async function percentOf(bar: Locator): Promise<number> {
  return Number(await bar.getAttribute("value"));
}
