import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { within } from "../helpers/deadline.ts";

const API = fileURLToPath(new URL("api-process.ts", import.meta.url));

/** What the API's process has done and holds, after a garbage collection. */
export interface Usage {
  /** Changes of operations so far. */
  readonly changes: number;
  /** Responses that it holds. */
  readonly responses: number;
  readonly usedBytes: number;
}

/** `api-process.ts`, until the test ends. */
export class ApiUnderTest {
  readonly url: URL;
  readonly #process: ChildProcess;

  static async start(): Promise<ApiUnderTest> {
    const execArgv = ["--expose-gc", "--disable-warning=ExperimentalWarning"];
    const child = fork(API, { execArgv });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [{ port }] = (await once(child, "message")) as [{ port: number }];
    return new ApiUnderTest(child, new URL(`http://127.0.0.1:${port}`));
  }

  private constructor(child: ChildProcess, url: URL) {
    this.#process = child;
    this.url = url;
  }

  async usage(): Promise<Usage> {
    const answer = once(this.#process, "message") as Promise<[Usage]>;
    this.#process.send("usage");
    return (await within("an answer of the API's process", answer, 60_000))[0];
  }
}
