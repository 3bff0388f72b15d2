import {
  type OrchestrationContext,
  type TaskHubGrpcClient,
  whenAll,
} from "@microsoft/durabletask-js";
import type { RuntimeStatus } from "../../../src/dts/instance.ts";
import { isTerminal } from "../../../src/streaming/operation/operation-status.ts";
import type { ForeignCode } from "../../helpers/sdk.ts";

/** One thing that an orchestration does. */
export type Part =
  | { readonly do: "chain" | "fan" | "sub"; readonly count: number; readonly bytes: number }
  | { readonly do: "timer" | "wait" | "again" | "fail" }
  | { readonly do: "custom"; readonly text: string };

interface Plan {
  /** A "fail" part succeeds once this key is in `repaired`. */
  readonly key: string;
  readonly parts: readonly Part[];
}

/** State of the worker, by key. */
const repaired = new Set<string>();
const generations = new Map<string, number>();

const TIMER_S = 0.005;

/** An orchestration that runs the parts in its input. */
export const CODE: ForeignCode = {
  orchestrators: {
    async *planned(context: OrchestrationContext, { key, parts }: Plan) {
      for (const [at, part] of parts.entries()) {
        if (part.do === "custom") context.setCustomStatus(part.text);
        else if (part.do === "timer") yield context.createTimer(TIMER_S);
        else if (part.do === "wait") yield context.waitForExternalEvent("go") as never;
        else if (part.do === "fail") yield context.callActivity("fail", key);
        else if (part.do === "chain") {
          for (let each = 0; each < part.count; each += 1) {
            yield context.callActivity("echo", "x".repeat(part.bytes));
          }
        } else if (part.do === "fan") {
          const calls = Array.from({ length: part.count }, () =>
            context.callActivity("echo", "y".repeat(part.bytes)),
          );
          yield whenAll(calls) as never;
        } else if (part.do === "sub") {
          yield context.callSubOrchestrator("planned", {
            key,
            parts: [{ do: "chain", count: part.count, bytes: 0 }],
          });
        } else {
          yield context.callActivity("count", key);
          context.continueAsNew({ key, parts: parts.slice(at + 1) }, true);
          return "again";
        }
      }
      return "done";
    },
  } as never,
  activities: {
    echo: (_context, input) => input,
    count: (_context, key) => generations.set(key, (generations.get(key) ?? 0) + 1).size,
    fail: (_context, key) => {
      if (!repaired.has(key)) throw new TypeError("not yet");
      return "at last";
    },
  },
};

/** An operation of a run, with counts of its incarnations, rewinds and continue-as-new. */
export class PlannedOperation {
  readonly id: string;
  readonly #client: TaskHubGrpcClient;
  readonly #api: URL;
  readonly #note: (what: string) => void;
  readonly #keys: string[] = [];
  incarnations = 0;
  rewinds = 0;

  constructor(id: string, client: TaskHubGrpcClient, api: URL, note: (what: string) => void) {
    this.id = id;
    this.#client = client;
    this.#api = api;
    this.#note = note;
  }

  /** How often it has continued as new, in all incarnations. A repeated attempt counts twice. */
  get generations(): number {
    return this.#keys.reduce((sum, key) => sum + (generations.get(key) ?? 0), 0);
  }

  /** Starts it, unless it is active. A terminal one is purged before. */
  async start(parts: readonly Part[]): Promise<void> {
    if (!(await this.isTerminal())) return;
    await this.change("purge");
    const key = `${this.id}/${this.incarnations}`;
    this.#keys.push(key);
    this.incarnations += 1;
    this.#note(`${this.id} starts: ${parts.map((part) => part.do).join(" ")}`);
    await this.#client.scheduleNewOrchestration("planned", { key, parts }, this.id);
  }

  /** Makes a change if the present state allows it. */
  async change(what: "go" | "suspend" | "resume" | "terminate" | "rewind" | "restart" | "purge") {
    const status = await this.status();
    if (status === undefined) return;
    const active = !isTerminal(status as RuntimeStatus);
    const possible = {
      go: active,
      suspend: active,
      resume: active,
      terminate: active,
      rewind: status === "Failed",
      restart: !active,
      purge: !active,
    };
    if (!possible[what]) return;
    this.#note(`${this.id} (${status}): ${what}`);
    // The state may have changed since. The scheduler refuses the change then.
    await this.#perform(what).catch((error: Error) => this.#note(`    refused: ${error.message}`));
  }

  async status(): Promise<string | undefined> {
    const response = await fetch(new URL(`/api/operations/${this.id}`, this.#api));
    if (response.status === 404) return undefined;
    return ((await response.json()) as { status: string }).status;
  }

  async isTerminal(): Promise<boolean> {
    const status = await this.status();
    return status === undefined || isTerminal(status as RuntimeStatus);
  }

  /** The stored history as the SDK reads it. */
  async history(): Promise<string[]> {
    const events = await this.#client.getOrchestrationHistory(this.id);
    return events.map(({ type, timestamp }) => `${KINDS[type] ?? type} ${timestamp.toISOString()}`);
  }

  async #perform(what: Parameters<PlannedOperation["change"]>[0]): Promise<void> {
    const client = this.#client;
    if (what === "go") await client.raiseOrchestrationEvent(this.id, "go", "z".repeat(20));
    else if (what === "suspend") await client.suspendOrchestration(this.id);
    else if (what === "resume") await client.resumeOrchestration(this.id);
    else if (what === "terminate") await client.terminateOrchestration(this.id, "enough");
    else if (what === "purge") await client.purgeOrchestration(this.id);
    else if (what === "restart") {
      this.incarnations += 1;
      await client.restartOrchestration(this.id);
    } else {
      this.rewinds += 1;
      repaired.add(this.#keys.at(-1) ?? "");
      await client.rewindInstance(this.id, "again");
    }
  }
}

const KINDS: Record<string, string> = {
  ExecutionStarted: "started",
  ExecutionCompleted: "completed",
  ExecutionTerminated: "terminated",
  ExecutionSuspended: "suspended",
  ExecutionResumed: "resumed",
  ExecutionRewound: "rewound",
  OrchestratorStarted: "turn_started",
  OrchestratorCompleted: "turn_completed",
  TaskScheduled: "activity_scheduled",
  TaskCompleted: "activity_completed",
  TaskFailed: "activity_failed",
  TimerCreated: "timer_created",
  TimerFired: "timer_fired",
  SubOrchestrationInstanceCreated: "sub_orchestration_created",
  SubOrchestrationInstanceCompleted: "sub_orchestration_completed",
  SubOrchestrationInstanceFailed: "sub_orchestration_failed",
  EventRaised: "event_raised",
  EventSent: "event_sent",
};
