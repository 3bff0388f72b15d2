import type { NewOrchestration } from "../../../dts/commands.ts";

/** What a scheduler stores of a start. */
export interface StoredStart {
  readonly name: string;
  readonly input?: string | undefined;
  readonly version?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly scheduledAtMs?: number | undefined;
}

/**
 * Whether a start that a scheduler stores is the one that is asked for. The input is compared as text.
 * An orchestration that has continued as new has another input by then, and counts as another start.
 */
export function isSameStart(stored: StoredStart, asked: NewOrchestration): boolean {
  return (
    stored.name === asked.name &&
    stored.input === asked.input &&
    (stored.version ?? "") === (asked.version ?? "") &&
    tagsText(stored.tags) === tagsText(asked.tags) &&
    // Some schedulers do not store a date that was due at once.
    (stored.scheduledAtMs === undefined || stored.scheduledAtMs === asked.startAtMs)
  );
}

function tagsText(tags: StoredStart["tags"]): string {
  return JSON.stringify(Object.entries(tags ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
}
