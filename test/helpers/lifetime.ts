import { beforeAll, onTestFinished } from "vitest";

type End = () => unknown;

/** Ends of what the tests of a file share, while that is started. */
let shared: End[] | undefined;

/** Has something ended when the test ends, however it ends, or after the last test that shares it. */
export function onEnd(end: End): void {
  if (shared) shared.push(end);
  else onTestFinished(async () => void (await end()));
}

/**
 * Starts something once for all tests of a file or `describe`. Call it outside of tests.
 * @param timeoutMs default: that of hooks
 * @returns what was started; it is there only inside tests
 */
export function share<T extends object>(start: () => Promise<T>, timeoutMs?: number): T {
  const started = {} as T;
  beforeAll(async () => {
    const ends: End[] = [];
    shared = ends;
    try {
      Object.assign(started, await start());
    } finally {
      shared = undefined;
    }
    return async () => {
      for (const end of ends.reverse()) await end();
    };
  }, timeoutMs);
  return started;
}
