/** When nobody can see the page, so that it needs no connection. */

/** A tab that is hidden for less is only covered for a moment. */
const HIDDEN_MS = 10_000;

/**
 * @param {object} handlers
 * @param {() => void} handlers.onLeave the page is left, or has been hidden for `HIDDEN_MS`
 * @param {() => void} handlers.onReturn the page is visible again; also called without a leave before
 */
export function watchVisibility({ onLeave, onReturn }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;
  // The back/forward cache keeps a page that is left, with its open connections.
  addEventListener("pagehide", onLeave);
  addEventListener("pageshow", ({ persisted }) => persisted && onReturn());
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (isVisible()) onReturn();
    else leaving = setTimeout(onLeave, HIDDEN_MS);
  });
}

/** False for a tab opened in the background, for example. */
export function isVisible() {
  return document.visibilityState === "visible";
}
