import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { pause } from "../../streaming/reading/pause.ts";
import { ApiKeys } from "./api-keys.ts";

/** How often the file is read. Mounted secrets are replaced in ways that change notices miss. */
const READ_EVERY_MS = 1000;

/** The keys of a file, which change with it. */
export interface ApiKeyFile {
  readonly keys: ApiKeys;
  close(): void;
}

/**
 * Reads the file, and again whenever it changes. A new content that cannot be used changes nothing, and
 * is logged.
 * @throws Error where it cannot be read or used now
 */
export function openApiKeyFile(path: string, logger: Logger): ApiKeyFile {
  const keys = new ApiKeys("");
  const closed = new AbortController();
  let content: string | undefined;
  let failure: string | undefined;

  const take = (text: string) => {
    if (text === content) return;
    keys.replace(text);
    content = text;
    logger.info({ keys: keys.size }, "API keys read");
    if (keys.size === 0) logger.warn("API_KEYS_FILE holds no key");
  };
  const readAgain = async () => {
    try {
      take(await readFile(path, "utf8"));
      failure = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason === failure) return;
      failure = reason;
      logger.error({ reason }, "API_KEYS_FILE cannot be used; the former keys stay valid");
    }
  };
  const follow = async () => {
    for (;;) {
      await pause(READ_EVERY_MS, closed.signal);
      if (closed.signal.aborted) return;
      await readAgain();
    }
  };

  try {
    take(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`API_KEYS_FILE (${path}) cannot be used:\n${(error as Error).message}`);
  }
  void follow();
  return { keys, close: () => closed.abort() };
}
