import type { After, GroupCommit } from "../storage/group-commit.ts";
import type { Lease, WorkQueue } from "./work-queue.ts";

/** Stores the result of a settled lease. If that fails, the item is queued again after a pause. */
export async function storeResult(
  commit: GroupCommit,
  queue: WorkQueue,
  lease: Lease,
  work: (after: After) => void,
): Promise<void> {
  try {
    await commit.run(work);
  } catch (error) {
    queue.requeueLater(lease);
    throw error;
  }
}
