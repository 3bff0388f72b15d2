/** How up to date a stream is. */
export interface Freshness {
  /** Epoch milliseconds of the last read that succeeded. */
  readonly asOfMs: number | undefined;
  /** Milliseconds until the next read. */
  readonly nextReadMs: number;
}
