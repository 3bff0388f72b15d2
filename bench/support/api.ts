/** The server under measurement: `dts-push api` in a process of its own, on a free port. */
import { Child } from "./child.ts";
import type { Usage } from "./probe.ts";
import { type BenchOptions, round } from "./report.ts";

/** What the server counts, summed over what a label does not name. */
export type Counted = (name: string, labels?: Readonly<Record<string, string>>) => number;

export class Api {
  readonly child: Child;
  readonly port: number;
  readonly #profileTo: string | undefined;

  static async start(
    schedulerAddress: string,
    env: Readonly<Record<string, string | number>>,
    { profileTo }: BenchOptions,
    core = 0,
  ): Promise<Api> {
    const settings = Object.entries(env).map(([name, value]) => [name, String(value)]);
    const child = Child.start("../src/main.ts", {
      core,
      args: ["api"],
      env: {
        PORT: "0",
        ENDPOINT: `http://${schedulerAddress}`,
        LOG_LEVEL: "error",
        STREAM_MAX_AGE_MS: "3600000", // no stream is to be rotated while it is measured
        ...Object.fromEntries(settings),
      },
    });
    const port = Number(await child.printed(/ready: open http:\/\/[^:]+:(\d+)\//));
    return new Api(child, port, profileTo);
  }

  private constructor(child: Child, port: number, profileTo: string | undefined) {
    this.child = child;
    this.port = port;
    this.#profileTo = profileTo;
  }

  async counted(): Promise<Counted> {
    const response = await fetch(`http://127.0.0.1:${this.port}/metrics`);
    const lines = (await response.text()).split("\n");
    return (name, labels = {}) => {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      const found = lines.filter(
        (line) =>
          (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) &&
          wanted.every((label) => line.includes(label)),
      );
      return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
    };
  }

  /** Waits for `ms` or for `part`, and returns what it cost. `name`: of the profile, if any. */
  async cost(name: string, part: () => Promise<unknown>): Promise<Cost> {
    const file = this.#profileTo && `${this.#profileTo}/${name}.cpuprofile`;
    const [usage, counted] = [await this.child.usage(), await this.counted()];
    if (file) await this.child.ask("probe:profile");
    const beganMs = performance.now();
    await part();
    const seconds = (performance.now() - beganMs) / 1000;
    if (file) await this.child.ask("probe:profile-end", file);
    const [usageNow, countedNow] = [await this.child.usage(), await this.counted()];
    const cpuMs = usageNow.cpuMs - usage.cpuMs;
    return {
      seconds,
      cpuMs,
      cpuPercent: round(cpuMs / seconds / 10),
      usage: usageNow,
      counted: (metric, labels) => countedNow(metric, labels) - counted(metric, labels),
    };
  }

  stop = () => this.child.stop();
}

/** What one part of a bench cost the server. */
export interface Cost {
  readonly seconds: number;
  readonly cpuMs: number;
  /** Of one core. */
  readonly cpuPercent: number;
  /** At its end. */
  readonly usage: Usage;
  /** What was counted meanwhile. */
  readonly counted: Counted;
}
