/** Longest pause between two attempts. */
const MAX_PAUSE_MS = 30_000;

/**
 * Full jitter, so that clients that were disconnected together reconnect at different times.
 * @param retryMs the pause that the server wants before the first of them
 */
export function backOffMs(failures: number, retryMs: number): number {
  return Math.random() * Math.min(MAX_PAUSE_MS, retryMs * 2 ** failures);
}

/** Nothing has arrived for so long that the connection is taken for dead. */
export class SilenceError extends Error {
  override readonly name = "SilenceError";
}

/** Waits for a promise at most so long. @throws SilenceError, or the reason of `signal` */
export async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort = () => {};
  const other = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SilenceError("nothing has arrived")), ms);
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, other]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Ends after the time, or as soon as `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return within(new Promise<never>(() => {}), ms, signal).catch(() => undefined);
}
