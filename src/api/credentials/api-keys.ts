import { createHash, timingSafeEqual } from "node:crypto";
import { Access, type Grant, parseGrant, SCOPES } from "../../access.ts";

interface ApiKey {
  readonly name: string;
  readonly digest: Buffer;
  /** One for all requests with this key. */
  readonly access: Access;
}

/** Lines of the file that cannot be used. Shows no digest. */
export class ApiKeysError extends Error {
  override readonly name = "ApiKeysError";
  constructor(problems: readonly string[]) {
    super(problems.map((line) => `  - ${line}`).join("\n"));
  }
}

/**
 * The API keys of a file: one JSON object a line, `{"name","sha256","scopes":[…]}`.
 *   KEYS-1. A key is never stored, only its SHA-256: keys are random, so that no slow hash is needed.
 *   KEYS-2. Comparing takes the same time wherever, and whether, a key is found.
 *   KEYS-3. A key that is removed, or whose scopes change, ends the streams that it has opened.
 */
export class ApiKeys {
  #keys: readonly ApiKey[] = [];

  /** @throws ApiKeysError naming each line that is wrong */
  constructor(text: string) {
    this.replace(text);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The access of the caller with this key. */
  find(key: string): Access | undefined {
    const digest = createHash("sha256").update(key).digest();
    let found: Access | undefined;
    for (const each of this.#keys) {
      if (timingSafeEqual(each.digest, digest)) found = each.access; // KEYS-2
    }
    return found;
  }

  /** Takes the file's new content. @throws ApiKeysError, and then nothing has changed */
  replace(text: string): void {
    const former = this.#keys;
    const kept = new Set<Access>();
    this.#keys = parseKeys(text).map((key) => {
      const same = former.find((each) => isSameKey(each, key)) ?? key;
      kept.add(same.access);
      return same;
    });
    for (const { access } of former) {
      if (!kept.has(access)) access.revoke(); // KEYS-3
    }
  }
}

function isSameKey(one: ApiKey, other: ApiKey): boolean {
  return (
    one.name === other.name &&
    one.digest.equals(other.digest) &&
    JSON.stringify(one.access.grants) === JSON.stringify(other.access.grants)
  );
}

function parseKeys(text: string): ApiKey[] {
  const problems: string[] = [];
  const lineOf = new Map<string, number>();
  const keys = text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      const key = parseLine(line);
      const digest = key.digest.toString("hex");
      const former = lineOf.get(digest);
      if (former !== undefined) throw new Error(`the key is that of line ${former}`);
      lineOf.set(digest, index + 1);
      return [key];
    } catch (error) {
      problems.push(`line ${index + 1}: ${(error as Error).message}`);
      return [];
    }
  });
  if (problems.length > 0) throw new ApiKeysError(problems);
  return keys;
}

/** @throws Error that says what is wrong, without the content of `sha256` */
function parseLine(line: string): ApiKey {
  const { name, sha256, scopes, ...others } = parseObject(line);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`"${unknown}" is not known here`);
  if (typeof name !== "string" || !/^[\x21-\x7e]{1,100}$/.test(name)) {
    throw new Error('"name" must be 1 to 100 printable ASCII characters without spaces');
  }
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new Error('"sha256" must be 64 hexadecimal digits');
  }
  if (!Array.isArray(scopes) || scopes.length === 0) {
    throw new Error('"scopes" must be a list of at least one scope');
  }
  const grants = scopes.map(toGrant);
  const access = new Access({ caller: `key:${name}`, authentication: "key", grants });
  return { name, digest: Buffer.from(sha256, "hex"), access };
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // What JSON.parse says may quote the line.
  }
  throw new Error("it is not a JSON object");
}

/** @throws Error that names the scopes there are */
export function toGrant(text: unknown): Grant {
  const grant = typeof text === "string" ? parseGrant(text) : undefined;
  if (grant) return grant;
  throw new Error(
    `${JSON.stringify(text)} is not a scope. There are ${SCOPES.join(", ")}; those of operations may ` +
      "be narrowed: operations:read:<prefix>*, operations:start:name=<orchestration>",
  );
}
