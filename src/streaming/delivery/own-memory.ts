/**
 * The same bytes in memory of their own, for what is kept. Node takes small Buffers from a pool, and one of them that is
 * kept holds all of its part of the pool: 64 KiB.
 */
export function withOwnMemory(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength === bytes.length) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
