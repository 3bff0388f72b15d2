/**
 * A wait that is in vain ends after this time, and names what did not happen. It is no measure of speed:
 * beside four busy loops a process may need half a minute to start.
 */
const DEFAULT_MS = 60_000;

/** Settles with `promise`, or fails naming what did not happen in time. */
export async function within<T>(what: string, promise: Promise<T>, ms = DEFAULT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `probe` every few milliseconds until it returns something other than undefined or false. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  ms = DEFAULT_MS,
): Promise<T> {
  const endMs = performance.now() + ms; // also where a test has a Date of its own
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`Not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A wait that counts what a system does, so that a slow machine has as much of it as a quick one. */
export interface Progress {
  /** Counts up while the system works. */
  count(): number;
  /** So much must have been counted before the wait is in vain. */
  readonly enough: number;
}

/**
 * Turns that this process must have had before a wait is in vain: a minute of an idle machine. A process that
 * gets no CPU has no turns either, whatever the clock says.
 */
const MIN_TURNS = 10_000;

/** Like `eventually`, with a deadline in progress rather than in time. */
export async function eventuallyWithProgress(
  what: string,
  probe: () => boolean,
  { count, enough }: Progress,
): Promise<void> {
  const from = count();
  let last = from;
  let turns = 0;
  let turnsWithout = 0;
  while (!probe()) {
    turns += 1;
    turnsWithout = count() > last ? 0 : turnsWithout + 1;
    last = count();
    const isInVain = turns > MIN_TURNS && last - from >= enough;
    if (isInVain || turnsWithout > MIN_TURNS) {
      throw new Error(`Not after ${last - from} of ${enough}: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
