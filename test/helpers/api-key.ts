import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An API key, and its line in the file. */
export function createKey(name: string, ...scopes: string[]) {
  const key = `test_${randomBytes(16).toString("hex")}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  return { key, line: JSON.stringify({ name, sha256, scopes }) };
}

/** A file with these lines, and the setting of a server that reads it. Its stream tokens are valid at all replicas. */
export function createKeyFile(...lines: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "dts-push-keys-"));
  const path = join(folder, "keys.jsonl");
  const write = (...content: string[]) => writeFileSync(path, content.join("\n"));
  write(...lines);
  const credentials = {
    apiKeysFile: path,
    issuer: undefined,
    streamTokenSecrets: ["s".repeat(32)],
  };
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { path, credentials, write, remove };
}
