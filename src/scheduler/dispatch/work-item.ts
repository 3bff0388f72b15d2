/** Work as it waits in the queue, and as it is sent to a worker. */
import type { EntityMessage } from "../storage/entity-table.ts";

export type WorkKind = "turn" | "activity" | "entity";

export interface WorkItem {
  readonly kind: WorkKind;
  readonly hub: number;
  /** Of an entity its own key. */
  readonly instanceKey: number;
  /** The activity's id; 0 for others. */
  readonly id: number;
  readonly name: string;
  readonly version: string | undefined;
  /** The version of an activity's orchestration, by which filters may match an unversioned activity. */
  readonly ownerVersion?: string | undefined;
  /** It was once found to be gone, by a change that was not durable yet. */
  readonly doubted?: boolean;
}

/** A work item ready to be sent, and what its completion will need to know. */
export interface LoadedWork {
  /** A serialized `WorkItem` without its completion token. */
  readonly bytes: Uint8Array;
  readonly turn?: LeasedTurn;
  /** The messages of an entity's batch. */
  readonly batch?: readonly EntityMessage[];
}

export interface LeasedTurn {
  readonly generation: number;
  readonly lastSeq: number;
  /** The new events of the turn, OrchestratorStarted first. */
  readonly messages: readonly { readonly kind: number; readonly event: Uint8Array }[];
}
