/**
 * A heartbeat as JSON, the same on every transport.
 * @param asOfMs when what the stream carries was last read, in epoch milliseconds
 * @param heartbeatMs the time to the next heartbeat
 */
export function heartbeatJson(asOfMs: number | undefined, heartbeatMs: number): string {
  return JSON.stringify({
    type: "heartbeat",
    as_of: asOfMs === undefined ? null : new Date(asOfMs),
    heartbeat_ms: heartbeatMs,
  });
}
