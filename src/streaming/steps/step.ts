import type { HistoryEntry } from "../../dts/history.ts";
import { executionTag, nextDigest, START, type StepPosition } from "./position.ts";

/** One entry of a history as subscribers see it. One object for all receivers. */
export interface Step {
  /** The position after it. */
  readonly position: StepPosition;
  /** The scheduler's time, in epoch milliseconds, where it gives one. */
  readonly atMs: number | undefined;
  /** Start of its execution in epoch milliseconds, if known. */
  readonly startedAtMs: number | undefined;
  /** Its JSON without the opening brace. Serialized on first use: most steps of a pass were sent before. */
  body(payloads: boolean): string;
}

/** Longest payload sent, in UTF-16 units. */
const MAX_PAYLOAD_LENGTH = 16 * 1024;
/** The start is among the first entries. A history without one in this many is assumed to have none. */
const MAX_BEFORE_START = 64;
const ENDS = new Set(["EXECUTIONCOMPLETED", "EXECUTIONTERMINATED"]);

/** An entry of a type that is not known here. */
const OTHER = "other";
const KINDS: Record<string, string> = {
  EXECUTIONSTARTED: "started",
  EXECUTIONCOMPLETED: "completed",
  EXECUTIONTERMINATED: "terminated",
  EXECUTIONSUSPENDED: "suspended",
  EXECUTIONRESUMED: "resumed",
  EXECUTIONREWOUND: "rewound",
  CONTINUEASNEW: "continued_as_new",
  ORCHESTRATORSTARTED: "turn_started",
  ORCHESTRATORCOMPLETED: "turn_completed",
  TASKSCHEDULED: "activity_scheduled",
  TASKCOMPLETED: "activity_completed",
  TASKFAILED: "activity_failed",
  TIMERCREATED: "timer_created",
  TIMERFIRED: "timer_fired",
  SUBORCHESTRATIONINSTANCECREATED: "sub_orchestration_created",
  SUBORCHESTRATIONINSTANCECOMPLETED: "sub_orchestration_completed",
  SUBORCHESTRATIONINSTANCEFAILED: "sub_orchestration_failed",
  EVENTRAISED: "event_raised",
  EVENTSENT: "event_sent",
  ENTITYOPERATIONSIGNALED: "entity_signaled",
  ENTITYOPERATIONCALLED: "entity_called",
  ENTITYOPERATIONCOMPLETED: "entity_completed",
  ENTITYOPERATIONFAILED: "entity_failed",
  ENTITYLOCKREQUESTED: "entity_lock_requested",
  ENTITYLOCKGRANTED: "entity_lock_granted",
  ENTITYUNLOCKSENT: "entity_unlocked",
};

/** What a step can be, as clients see it. */
export const STEP_KINDS: readonly string[] = [...Object.values(KINDS), OTHER];

/** Final statuses as the operation document spells them. */
const STATUSES: Record<string, string> = { COMPLETED: "Completed", FAILED: "Failed" };

/** What a completion repeats of what it completes. */
type Scheduled = Pick<HistoryEntry, "name" | "childId" | "atMs"> & { readonly seq: number };

/** Turns the entries of one history, in order, into steps. Keeps only what later entries refer to. */
export class StepBuilder {
  /** Actions that no entry has completed yet, by event id. */
  readonly #scheduled = new Map<number, Scheduled>();
  /** Entries before the one that names the execution. */
  readonly #early: HistoryEntry[] = [];
  #executionId: string | undefined;
  #startedAtMs: number | undefined;
  #hasCompleted = false;
  #lastType: string | undefined;
  #position = START;

  /** The execution's id, once it is known. */
  get executionId(): string | undefined {
    return this.#executionId;
  }

  /** Whether the steps so far include the end of the execution. */
  get isOver(): boolean {
    return this.#hasCompleted || this.#lastType === "EXECUTIONTERMINATED";
  }

  /** The position after all steps so far. */
  get position(): StepPosition {
    return this.#position;
  }

  /** The step of `entry`. None while the execution is unknown; all of those held back once it is known. */
  add(entry: HistoryEntry): Step[] {
    if (this.#position.seq > 0) return [this.#next(entry)];
    this.#early.push(entry);
    const { type, atMs, executionId } = entry;
    if (type === "EXECUTIONSTARTED") {
      this.#executionId = executionId;
      this.#startedAtMs = atMs;
    } else if (!ENDS.has(type) && this.#early.length < MAX_BEFORE_START) return [];
    this.#position = { ...START, execution: executionTag(entry.executionId) };
    return this.#early.splice(0).map((each) => this.#next(each));
  }

  #next(entry: HistoryEntry): Step {
    const { type, eventId, completes, atMs } = entry;
    const { execution, seq, digest } = this.#position;
    const position = { execution, seq: seq + 1, digest: nextDigest(digest, entry) };
    const scheduled = completes === undefined ? undefined : this.#scheduled.get(completes);
    if (completes !== undefined) this.#scheduled.delete(completes);
    else if (eventId >= 0)
      this.#scheduled.set(eventId, {
        name: entry.name,
        childId: entry.childId,
        atMs,
        seq: position.seq,
      });
    this.#position = position;
    this.#lastType = type;
    if (type === "EXECUTIONCOMPLETED") this.#hasCompleted = true;
    const bodies: [string?, string?] = [];
    return {
      position,
      atMs,
      startedAtMs: this.#startedAtMs,
      body(payloads) {
        const at = payloads ? 1 : 0;
        bodies[at] ??= bodyOf(position.seq, entry, scheduled, payloads);
        return bodies[at];
      },
    };
  }
}

function bodyOf(
  seq: number,
  { type, name, childId, atMs, status, failure, input, output }: HistoryEntry,
  scheduled: Scheduled | undefined,
  payloads: boolean,
): string {
  const sinceMs = scheduled?.atMs;
  const longest = Math.max(input?.length ?? 0, output?.length ?? 0);
  const step = {
    type: "step",
    seq,
    kind: KINDS[type] ?? OTHER,
    name: name ?? scheduled?.name,
    // Not `operation_id`: a WebSocket message has that of its subscription beside the step.
    child_id: childId ?? scheduled?.childId,
    scheduled_seq: scheduled?.seq,
    at: atMs === undefined ? undefined : new Date(atMs),
    duration_ms:
      atMs === undefined || sinceMs === undefined ? undefined : Math.max(0, atMs - sinceMs),
    status: status && (STATUSES[status] ?? status),
    error: failure,
    ...(payloads && {
      input: cut(input),
      output: cut(output),
      truncated: longest > MAX_PAYLOAD_LENGTH || undefined,
    }),
  };
  return JSON.stringify(step).slice(1);
}

function cut(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= MAX_PAYLOAD_LENGTH) return text;
  const last = text.charCodeAt(MAX_PAYLOAD_LENGTH - 1);
  // Half of a surrogate pair is no text, and many a JSON parser refuses it.
  const isHalf = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, isHalf ? MAX_PAYLOAD_LENGTH - 1 : MAX_PAYLOAD_LENGTH);
}
