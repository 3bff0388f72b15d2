/**
 * The clock for the dates of events and for timers: the wall clock, except that it never goes back.
 *
 *   DATE-1. It never goes back within one process. After the wall clock is set back, it advances at
 *           the monotonic rate until the wall clock has caught up, so timers keep their length and
 *           events their order.
 *   DATE-2. It follows the wall clock forward at once, so timers are due after the machine has slept.
 *   DATE-3. It never goes back from one process to the next on the same file either: it begins at the
 *           newest date of an instance in it.
 *
 * Durations that are not stored, such as leases, are measured with `performance.now()`.
 */
let dateMs = Date.now();
let measuredMs = performance.now();

/** Milliseconds since 1970. */
export function now(): number {
  const monotonicMs = performance.now();
  dateMs = Math.max(Date.now(), dateMs + monotonicMs - measuredMs);
  measuredMs = monotonicMs;
  return Math.floor(dateMs);
}

/** Later dates only, from now on (DATE-3). @returns by how much it is ahead of the wall clock, in milliseconds */
export function continueFrom(newestMs: number): number {
  dateMs = Math.max(now(), newestMs);
  return now() - Date.now();
}
