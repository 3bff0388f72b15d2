const CHECK_EVERY_MS = 5000;
/** So long a sleep ends connections. */
const ASLEEP_MS = 10_000;

const listeners = new Set<() => void>();
let stop: (() => void) | undefined;

/**
 * Calls `onWake` when connections may have been lost without notice, or may be possible again: the network is back, the
 * page was frozen or in the
 * back/forward cache, or the machine was asleep. Returns what ends it.
 */
export function watchForWake(onWake: () => void): () => void {
  listeners.add(onWake);
  stop ??= start();
  return () => {
    listeners.delete(onWake);
    if (listeners.size > 0) return;
    stop?.();
    stop = undefined;
  };
}

function start(): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  const wake = () => {
    for (const each of [...listeners]) each();
  };
  // The one stands still while the machine sleeps, the other does not. A timer that is late shows nothing: browsers
  // delay those of hidden pages by a minute.
  const difference = () => Date.now() - performance.now();
  let last = difference();
  const timer = setInterval(() => {
    const now = difference();
    if (now - last > ASLEEP_MS) wake();
    last = now;
  }, CHECK_EVERY_MS);
  // In Node.js a client alone does not keep the process running.
  (timer as { unref?: () => void }).unref?.();
  globalThis.addEventListener?.("online", wake, { signal });
  globalThis.document?.addEventListener("resume", wake, { signal });
  globalThis.addEventListener?.(
    "pageshow",
    (event) => {
      if ((event as PageTransitionEvent).persisted) wake();
    },
    { signal },
  );
  return () => {
    clearInterval(timer);
    ended.abort();
  };
}
