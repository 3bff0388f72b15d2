/** How the API spends the time between a signal and the end of its process, in milliseconds. */
export interface ShutdownTimes {
  /** `/readyz` is 503 and everything is served on, so that load balancers notice. */
  readonly drainDelayMs: number;
  /** Streams have ended with `bye drain`; whatever still arrives is served. */
  readonly listenOnMs: number;
  /** No more connections; requests under way are answered. */
  readonly requestsWithinMs: number;
}

const LISTEN_ON_SHARE = 0.15;
const MAX_LISTEN_ON_MS = 1500;
const MAX_REQUESTS_MS = 3000;
const MIN_REQUESTS_MS = 500;
/** Left for what closes after the API: the connections to the scheduler, the embedded scheduler. */
const REST_MS = 1500;

/** The parts add up to less than `graceMs`, after which the process is ended as it is. */
export function shutdownTimes(graceMs: number, drainDelayMs: number): ShutdownTimes {
  const listenOnMs = Math.min(MAX_LISTEN_ON_MS, graceMs * LISTEN_ON_SHARE);
  const leftMs = graceMs - drainDelayMs - listenOnMs - REST_MS;
  return {
    drainDelayMs,
    listenOnMs,
    requestsWithinMs: Math.max(MIN_REQUESTS_MS, Math.min(MAX_REQUESTS_MS, leftMs)),
  };
}
