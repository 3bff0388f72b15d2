/** Waits with a deadline. The error names what is missing. */
export async function within<T>(what: string, promise: Promise<T>, ms = 10_000): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timeout = setTimeout(() => late.reject(new Error(`No ${what} within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timeout);
  }
}

/** Waits for a condition that can only be polled. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  ms = 10_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (performance.now() > end) throw new Error(`No ${what} within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
