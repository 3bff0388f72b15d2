const JITTER = 0.15;

/** `ms` ±15 %, so that what began together does not stay together. */
export function jittered(ms: number): number {
  return Math.round(ms * (1 - JITTER + Math.random() * 2 * JITTER));
}
