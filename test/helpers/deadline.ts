/** Time within which anything a test waits for must happen, on the slowest machine. */
const DEFAULT_MS = 15_000;

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

/** Asks `probe` every few milliseconds until it gives something other than undefined or false. */
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
