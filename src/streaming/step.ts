import type { HistoryEntry } from "../dts/history.ts";
import { EMPTY_DIGEST, executionTag, nextDigest, type StepPosition } from "./step-position.ts";

/** One entry of a history, as subscribers are told of it. One object for all who receive it. */
export interface Step {
  readonly position: StepPosition;
  /** Whether it is the end of its execution. */
  readonly last: boolean;
  /** Its JSON after the opening brace, without and with what went in and came out. */
  body(payloads: boolean): string;
}

/** Longest payload told, in UTF-16 units. */
const MAX_PAYLOAD_LENGTH = 16 * 1024;

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
  readonly #open = new Map<number, { readonly name: string | undefined; readonly atMs: number }>();
  /** Entries before the one that names the execution. */
  readonly #early: HistoryEntry[] = [];
  #executionId: string | undefined;
  #execution: string | undefined;
  #seq = 0;
  #digest = EMPTY_DIGEST;

  /** The execution's id, once it is known. */
  get executionId(): string | undefined {
    return this.#executionId;
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
    if (entry.type !== "EXECUTIONSTARTED") return [];
    this.#executionId = entry.executionId;
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
    const told = () => ({
      type: "step",
      seq,
      kind: KINDS[type] ?? "other",
      name: entry.name ?? begun?.name,
      at: new Date(atMs),
      duration_ms: begun && Math.max(0, atMs - begun.atMs),
      status: status && (STATUSES[status] ?? status),
      error: failure,
    });
    // Most entries of a pass were sent before: their words are made only where somebody wants them.
    let plain: string | undefined;
    let withPayloads: string | undefined;
    return {
      position: { execution: this.#execution ?? "", seq, digest: this.#digest },
      last: type === "EXECUTIONCOMPLETED" || type === "EXECUTIONTERMINATED",
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

function payloadsOf({ input, output }: HistoryEntry) {
  const cut = (text: string | undefined) => text?.slice(0, MAX_PAYLOAD_LENGTH);
  const longest = Math.max(input?.length ?? 0, output?.length ?? 0);
  return {
    input: cut(input),
    output: cut(output),
    ...(longest > MAX_PAYLOAD_LENGTH && { truncated: true }),
  };
}
