/**
 * `npm run -s make-key -- <name> <scope> …`: makes an API key. Its line for API_KEYS_FILE is printed on
 * stdout, the key itself, which is kept nowhere, on stderr.
 */
import { createHash, randomBytes } from "node:crypto";
import { ApiKeys, ApiKeysError } from "../src/api/credentials/api-keys.ts";

const KEY_BYTES = 32;
const USAGE = `Usage: npm run -s make-key -- <name> <scope> … >> <file>

  npm run -s make-key -- dashboard operations:read streams:token >> keys.jsonl
  npm run -s make-key -- shop 'operations:read:order-*' operations:start:name=ship_order >> keys.jsonl
`;

const [name, ...scopes] = process.argv.slice(2);
// The beginning shows scanners for leaked secrets what it is.
const key = `dtspush_${randomBytes(KEY_BYTES).toString("base64url")}`;
const sha256 = createHash("sha256").update(key).digest("hex");
const line = JSON.stringify({ name, sha256, scopes });
try {
  new ApiKeys(line);
  process.stdout.write(`${line}\n`);
  process.stderr.write(`The key of ${name}, which is not shown again: ${key}\n`);
} catch (error) {
  if (!(error instanceof ApiKeysError)) throw error;
  process.stderr.write(`${name === undefined ? "" : `${error.message}\n\n`}${USAGE}`);
  process.exitCode = 2;
}
