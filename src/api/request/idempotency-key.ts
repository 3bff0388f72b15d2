import { createHash } from "node:crypto";
import { ProblemError } from "../../problems.ts";

const MAX_LENGTH = 255;
/** A string of a structured field, or, as many clients send it, the bare text of one. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
const BARE = /^[!#-+\--:<-[\]-~]+$/;

/**
 * The key of a request that may be repeated.
 * @returns `undefined` without the header
 * @throws ProblemError `invalid-request` for one that is no key
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
 */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const value = [header].flat().join(",");
  const quoted = QUOTED.exec(value)?.[1]?.replaceAll(/\\(.)/g, "$1");
  const key = quoted ?? BARE.exec(value)?.[0] ?? "";
  if (key.length > 0 && key.length <= MAX_LENGTH) return key;
  throw new ProblemError(
    "invalid-request",
    400,
    `Idempotency-Key is one string of 1 to ${MAX_LENGTH} printable ASCII characters, such as a UUID, plain or in double quotes.`,
  );
}

/**
 * The id of the operation that a key stands for: the same at every replica and after every restart. 32
 * hexadecimal digits of SHA-256, so that no two keys meet.
 */
export function idOfKey(owner: string, name: string, key: string): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([owner, name, key]))
    .digest("hex");
  return digest.slice(0, 32);
}
