/** An interval as the `Retry-After` header wants it: whole seconds, at least one. */
export function retryAfterS(intervalMs: number): number {
  return Math.max(1, Math.ceil(intervalMs / 1000));
}
