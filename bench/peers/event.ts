/** The event of all peers: an update of dts-push of about 320 bytes, with the time at which it was due. */

export type Event = ReturnType<typeof eventAt>;

/** @param dueAtMs epoch milliseconds */
export function eventAt(dueAtMs: number) {
  return {
    type: "update",
    changed: ["custom_status"],
    coalesced: 0,
    operation: {
      operation_id: "op-0",
      name: "test",
      status: "RUNNING",
      created_at: "2026-11-23T16:40:44.871Z",
      last_updated: new Date(dueAtMs).toISOString(),
      custom_status: { percent: 50, step: 50, message: "step 50" },
      cursor: CURSOR,
    },
  };
}

/** Of the length of a cursor. */
export const CURSOR = "2.0mwylt57m.0mwylt781.r2m4liaphlk.yncirv";
