/** One timer for everything on the page that shows the time. */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/**
 * Calls `onTick` once a second while the page is visible, until `signal` is aborted.
 * @param {() => void} onTick
 * @param {AbortSignal} signal
 */
export function everySecond(onTick, signal) {
  listeners.add(onTick);
  timer ??= setInterval(tick, 1000);
  signal.addEventListener("abort", () => {
    listeners.delete(onTick);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  });
}

function tick() {
  if (document.visibilityState === "hidden") return;
  for (const each of listeners) each();
}

document.addEventListener("visibilitychange", tick);

/**
 * Calls `draw` before the next frame, however often it is asked to. A hidden page has no frames, and needs none.
 * @param {() => void} draw
 * @param {AbortSignal} signal
 */
export function perFrame(draw, signal) {
  let asked = 0;
  signal.addEventListener("abort", () => cancelAnimationFrame(asked));
  return () => {
    if (asked !== 0 || signal.aborted) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
}
