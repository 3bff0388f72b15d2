/** Work items as they wait in the queue, and as they are sent to a worker. */
import type { EntityMessage } from "../storage/entity-table.ts";

export type WorkKind = "turn" | "activity" | "entity";

export interface WorkItem {
  readonly kind: WorkKind;
  readonly hub: number;
  /** The key of the instance, or of the entity. */
  readonly instanceKey: number;
  /** The activity's id; 0 for turns and entities. */
  readonly id: number;
  readonly name: string;
  readonly version: string | undefined;
  /** The version of an activity's orchestration, by which filters may match an unversioned activity. */
  readonly ownerVersion?: string | undefined;
  /** A first load found nothing to do, based on a change that was not durable yet. */
  readonly rechecked?: boolean;
}

/** A work item ready to be sent, and what its completion needs. */
export interface LoadedWork {
  /** A serialized `WorkItem` without its completion token. */
  readonly bytes: Uint8Array;
  readonly turn?: LeasedTurn;
  /** The messages of an entity's batch, in order. */
  readonly batch?: readonly EntityMessage[];
}

export interface LeasedTurn {
  readonly generation: number;
  readonly lastSeq: number;
  /** The new events of the turn, OrchestratorStarted first. */
  readonly messages: readonly { readonly kind: number; readonly event: Uint8Array }[];
}
