/**
 * Which rows of a long list are drawn: those that can be seen, and some before and after. All are of one height.
 *
 * @typedef {{ first: number, last: number, rowHeight: number }} Range `last` is not included
 */

const OVERSCAN = 8;

/**
 * Calls `onRange` when scrolling or a change of size brings other rows into view.
 * @param {HTMLElement} list as high as all rows together; `--row` is the height of one
 * @param {() => void} onRange
 * @param {AbortSignal} signal
 */
export function watchRange(list, onRange, signal) {
  const options = { passive: true, signal };
  addEventListener("scroll", onRange, options);
  addEventListener("resize", onRange, options);
  const sizes = new ResizeObserver(onRange);
  sizes.observe(list);
  signal.addEventListener("abort", () => sizes.disconnect());
}

/**
 * @param {HTMLElement} list
 * @param {number} count rows in all
 * @returns {Range}
 */
export function visibleRange(list, count) {
  const rowHeight = Number.parseFloat(getComputedStyle(list).getPropertyValue("--row")) || 56;
  const top = -list.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + innerHeight) / rowHeight) + OVERSCAN);
  return { first: Math.min(first, last), last: Math.max(first, last), rowHeight };
}
