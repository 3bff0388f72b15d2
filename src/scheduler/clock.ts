/**
 * The scheduler's clock, by which it dates events and fires timers: the wall clock, but never back.
 *
 *   CLOCK-1. In one process it never goes back. After the wall clock was set back it advances at the
 *            monotonic rate until the wall clock has caught up, so timers keep their length and the
 *            dates of events their order.
 *   CLOCK-2. It follows the wall clock forward at once: after the machine has slept, timers are due.
 *
 * Lengths that nobody sees, such as leases, are measured with `performance.now()` alone.
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
