import type { Instance, RuntimeStatus } from "../../src/dts/instance.ts";
import { cursorOf } from "../../src/streaming/operation/cursor.ts";
import { isTerminal } from "../../src/streaming/operation/operation-status.ts";
import { instance as anInstance } from "../helpers/scheduler/instance.ts";
import type { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import type { Data } from "./link.ts";

/** What can happen to an operation. What is not possible in its present state does nothing. */
export const CHANGES = [
  "move",
  "custom",
  "bulky",
  "touch",
  "twin",
  "continue-as-new",
  "there-and-back",
  "end",
  "rewind",
  "restart",
  "purge",
  "reuse",
] as const;
export type Change = (typeof CHANGES)[number];

/** One state that was stored, in the order of the storing. */
export interface Version {
  readonly instance: Instance;
  readonly cursor: string;
  readonly index: number;
}

const ENDS = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"] as const;
const SHOWN_AS: Partial<Record<RuntimeStatus, string>> = {
  COMPLETED: "Completed",
  FAILED: "Failed",
  CONTINUED_AS_NEW: "RUNNING",
};

/** The operations of one run, and all that ever happened to them. */
export class World {
  readonly ids: readonly string[];
  readonly timeline: string[] = [];
  readonly #scheduler: ScriptedScheduler;
  readonly #versions = new Map<string, Version[]>();
  readonly #presenceChanges = new Map<string, number>();
  readonly #startedMs = Date.now();
  readonly #staleBefore: number;
  #nowMs = Date.now() - 1000;

  constructor(scheduler: ScriptedScheduler, ids: readonly string[]) {
    this.#scheduler = scheduler;
    this.#staleBefore = scheduler.staleAnswers;
    this.ids = ids;
    for (const id of ids) {
      this.#versions.set(id, []);
      this.#begin(id, "RUNNING");
    }
  }

  /** Whether a read has been answered with an older state. */
  get sawStaleReads(): boolean {
    return this.#scheduler.staleAnswers > this.#staleBefore;
  }

  versions(id: string): readonly Version[] {
    return this.#versions.get(id) ?? [];
  }

  present(id: string): Instance | undefined {
    return this.#scheduler.get(id);
  }

  /** How often an operation was purged, or its id used again after that. */
  presenceChanges(id: string): number {
    return this.#presenceChanges.get(id) ?? 0;
  }

  isActive(id: string): boolean {
    const present = this.present(id);
    return present !== undefined && !isTerminal(present.status);
  }

  note(what: string): void {
    this.timeline.push(`${String(Date.now() - this.#startedMs).padStart(6)} ms  ${what}`);
  }

  /** @param choice picks among several ways in which the change can come about */
  change(id: string, change: Change, choice: number): void {
    const present = this.present(id);
    if (!present) {
      if (change === "reuse") {
        this.#changePresence(id);
        this.#begin(id, "PENDING");
      }
      return;
    }
    const isActive = this.isActive(id);
    const custom = `${choice % 3}`;
    if (change === "purge") this.#purge(id);
    else if (change === "touch") this.#store(present, {});
    else if (isActive) this.#changeActive(present, change, choice, custom);
    else if (change === "restart") this.#begin(id, "PENDING");
    else if (change === "rewind" && present.status === "FAILED") {
      this.#store(present, { status: choice % 2 ? "PENDING" : "RUNNING", failure: undefined });
    }
  }

  #changeActive(present: Instance, change: Change, choice: number, customStatus: string): void {
    const { status } = present;
    if (change === "move") {
      const next = status === "RUNNING" && choice % 3 === 0 ? "SUSPENDED" : "RUNNING";
      this.#store(present, { status: next });
    } else if (change === "custom") {
      this.#store(present, { customStatus: choice % 4 ? customStatus : undefined });
    } else if (change === "bulky") {
      this.#store(present, { customStatus: JSON.stringify(`${choice}`.repeat(100_000)) });
    } else if (change === "twin") {
      this.#store(present, { customStatus: `"twin ${choice}"` });
      this.#store(present, { customStatus: `"twin of ${choice}"` }, 0);
    } else if (change === "there-and-back") {
      this.#store(present, { customStatus: '"there"' });
      this.#store(present, {});
    } else if (change === "continue-as-new" && status === "RUNNING") {
      this.#store(present, {
        status: "PENDING",
        ...(choice % 2 && { customStatus: undefined }),
      });
    } else if (change === "end") this.end(present.id, choice);
  }

  /** Ends an active operation. */
  end(id: string, choice: number): void {
    const present = this.present(id);
    if (!present || !this.isActive(id)) return;
    const status = ENDS[choice % ENDS.length] as RuntimeStatus;
    this.#store(present, {
      status,
      output: status === "COMPLETED" ? `"done ${choice}"` : undefined,
      failure: status === "FAILED" ? { type: "Error", message: `${choice}` } : undefined,
    });
  }

  #begin(id: string, status: RuntimeStatus): void {
    this.#nowMs = Math.max(Date.now(), this.#nowMs + 1);
    const createdAtMs = this.#nowMs;
    this.#put(anInstance({ id, status, createdAtMs, lastUpdatedAtMs: createdAtMs }));
  }

  #store(present: Instance, next: Partial<Instance>, laterMs = 1): void {
    if (laterMs > 0) this.#nowMs = Math.max(Date.now(), this.#nowMs + laterMs);
    this.#put({ ...present, ...next, lastUpdatedAtMs: this.#nowMs });
  }

  #changePresence(id: string): void {
    this.#presenceChanges.set(id, this.presenceChanges(id) + 1);
  }

  #purge(id: string): void {
    this.note(`${id} is purged`);
    this.#changePresence(id);
    this.#scheduler.purge(id);
  }

  #put(instance: Instance): void {
    const versions = this.#versions.get(instance.id) ?? [];
    const version = { instance, cursor: cursorOf(instance).text, index: versions.length };
    versions.push(version);
    const custom = instance.customStatus?.slice(0, 30) ?? "-";
    this.note(`${instance.id} := ${instance.status} ${custom} ${version.cursor}`);
    this.#scheduler.set(instance.id, instance);
  }
}

/** What a viewer sees of a stored state: the document without its position. */
export function visible(instance: Instance): string {
  const { customStatus, output, failure, createdAtMs, lastUpdatedAtMs } = instance;
  const isContinuing = instance.status === "PENDING" && lastUpdatedAtMs > createdAtMs;
  const shown = isContinuing ? "RUNNING" : (SHOWN_AS[instance.status] ?? instance.status);
  return contentOf({
    operation_id: instance.id,
    name: instance.name,
    status: shown,
    created_at: new Date(instance.createdAtMs).toISOString(),
    ...(customStatus !== undefined && { custom_status: JSON.parse(customStatus) }),
    ...(output !== undefined &&
      ["Completed", "TERMINATED"].includes(shown) && { result: JSON.parse(output) }),
    ...(shown === "Failed" && {
      error: { type: failure?.type ?? "Error", message: failure?.message ?? "" },
    }),
  });
}

/** What a viewer sees of a document, to compare. */
export function contentOf({ cursor: _cursor, last_updated: _updated, ...rest }: Data): string {
  return JSON.stringify(Object.fromEntries(Object.entries(rest).sort()));
}

/** Whether a document shows this stored state. */
export function shows(document: Data, instance: Instance): boolean {
  return contentOf(document) === visible(instance);
}
