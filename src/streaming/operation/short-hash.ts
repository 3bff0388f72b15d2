import { hash } from "node:crypto";

/** A hash of `text` in base 36, to distinguish a few thousand things; not to withstand an attack. */
export function shortHash(text: string, digits: number): string {
  const digest = hash("sha256", text, "buffer");
  return (digest.readUIntBE(0, 6) % 36 ** digits).toString(36).padStart(digits, "0");
}
