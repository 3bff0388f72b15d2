import type { HistoryEntry } from "../../dts/history.ts";
import { EMPTY_DIGEST, executionTag, nextDigest, type StepPosition } from "./position.ts";

/** One entry of a history, as subscribers are told of it. One object for all who receive it. */
export interface Step {
  readonly position: StepPosition;
  /** The scheduler's time, in epoch milliseconds, where it gives one. */
  readonly atMs: number | undefined;
  /** When its execution was started. */
  readonly startedAtMs: number | undefined;
  /** Its JSON after the opening brace, without and with what went in and came out. */
  body(payloads: boolean): string;
}

/** Longest payload told, in UTF-16 units. */
const MAX_PAYLOAD_LENGTH = 16 * 1024;
/** A start is among the first entries. After so many, or at the end, a history is taken to lack it. */
const MAX_BEFORE_START = 64;
const ENDS = new Set(["EXECUTIONCOMPLETED", "EXECUTIONTERMINATED"]);

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

/** How an execution ended, in the document's words. */
const STATUSES: Record<string, string> = { COMPLETED: "Completed", FAILED: "Failed" };

/**
 * Turns the entries of one history, in order, into steps. It keeps what later entries refer to, and
 * forgets it once they have.
 */
export class StepTeller {
  readonly #open = new Map<number, Pick<HistoryEntry, "name" | "atMs">>();
  /** Entries before the one that names the execution. */
  readonly #early: HistoryEntry[] = [];
  #executionId: string | undefined;
  #startedAtMs: number | undefined;
  #completed = false;
  #lastType: string | undefined;
  #execution: string | undefined;
  #seq = 0;
  #digest = EMPTY_DIGEST;

  /** The execution's id, once it is known. */
  get executionId(): string | undefined {
    return this.#executionId;
  }

  /** Whether the end of the execution was among the steps told so far. */
  get isOver(): boolean {
    return this.#completed || this.#lastType === "EXECUTIONTERMINATED";
  }

  /** The position behind all steps told so far. */
  get position(): StepPosition | undefined {
    if (this.#execution === undefined) return undefined;
    return { execution: this.#execution, seq: this.#seq, digest: this.#digest };
  }

  /** The steps that `entry` leads to: none while the execution is unknown, else its own. */
  tell(entry: HistoryEntry): Step[] {
    if (this.#execution !== undefined) return [this.#next(entry)];
    this.#early.push(entry);
    const { type, atMs, executionId } = entry;
    if (type === "EXECUTIONSTARTED") {
      this.#executionId = executionId;
      this.#startedAtMs = atMs;
    } else if (!ENDS.has(type) && this.#early.length < MAX_BEFORE_START) return [];
    this.#execution = executionTag(entry.executionId);
    return this.#early.splice(0).map((each) => this.#next(each));
  }

  #next(entry: HistoryEntry): Step {
    this.#seq += 1;
    this.#digest = nextDigest(this.#digest, entry);
    const begun = entry.completes === undefined ? undefined : this.#open.get(entry.completes);
    if (entry.completes !== undefined) this.#open.delete(entry.completes);
    else if (entry.eventId >= 0) {
      this.#open.set(entry.eventId, { name: entry.name, atMs: entry.atMs });
    }
    const { type, atMs, status, failure } = entry;
    const seq = this.#seq;
    this.#lastType = type;
    if (type === "EXECUTIONCOMPLETED") this.#completed = true;
    const told = () => ({
      type: "step",
      seq,
      kind: KINDS[type] ?? "other",
      name: entry.name ?? begun?.name,
      at: atMs === undefined ? undefined : new Date(atMs),
      duration_ms: timeBetween(begun?.atMs, atMs),
      status: status && (STATUSES[status] ?? status),
      error: failure,
    });
    // Most entries of a pass were sent before: their words are made only where somebody wants them.
    let plain: string | undefined;
    let withPayloads: string | undefined;
    return {
      position: { execution: this.#execution ?? "", seq, digest: this.#digest },
      atMs,
      startedAtMs: this.#startedAtMs,
      body(payloads) {
        if (!payloads) {
          plain ??= JSON.stringify(told()).slice(1);
          return plain;
        }
        withPayloads ??= JSON.stringify({ ...told(), ...payloadsOf(entry) }).slice(1);
        return withPayloads;
      },
    };
  }
}

function timeBetween(fromMs: number | undefined, toMs: number | undefined): number | undefined {
  return fromMs === undefined || toMs === undefined ? undefined : Math.max(0, toMs - fromMs);
}

function payloadsOf({ input, output }: HistoryEntry) {
  const longest = Math.max(input?.length ?? 0, output?.length ?? 0);
  return {
    input: cut(input),
    output: cut(output),
    ...(longest > MAX_PAYLOAD_LENGTH && { truncated: true }),
  };
}

function cut(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= MAX_PAYLOAD_LENGTH) return text;
  const last = text.charCodeAt(MAX_PAYLOAD_LENGTH - 1);
  // Half of a surrogate pair is no text, and many a JSON parser refuses it.
  const isHalf = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, isHalf ? MAX_PAYLOAD_LENGTH - 1 : MAX_PAYLOAD_LENGTH);
}
