import { expect, onTestFinished, test } from "vitest";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { AppProcess } from "../helpers/process.ts";

const ENDPOINT = "http://127.0.0.1:1"; // Nothing answers there, and nothing has to.
const EVERYWHERE = { HOST: "0.0.0.0", ENDPOINT };

test("without credentials the process listens on loopback only, unless ALLOW_ANONYMOUS is true", async () => {
  const refused = AppProcess.start(["api"], EVERYWHERE);
  expect(await refused.exited()).toEqual({ code: 1, signal: null });
  expect(refused.stdout).toMatch(
    /HOST is 0\.0\.0\.0 and no credentials are configured.*ALLOW_ANONYMOUS/,
  );
  const allowed = AppProcess.start(["api"], { ...EVERYWHERE, ALLOW_ANONYMOUS: "true" });
  expect((await fetch(new URL("/healthz", await allowed.url()))).status).toBe(200);
  expect(allowed.stdout).toContain("everybody who reaches this server may do everything");
  const local = AppProcess.start(["api"], { HOST: "::1", ENDPOINT });
  await local.printed(/listens on/);
});

test("with an API key the process listens everywhere, and its secrets are printed nowhere", async () => {
  const { key, line } = createKey("shop", "operations:read");
  const file = createKeyFile(line);
  onTestFinished(file.remove);
  const secret = "a-secret-that-signs-stream-tokens-0123456789";
  const app = AppProcess.start(["api"], {
    ...EVERYWHERE,
    API_KEYS_FILE: file.path,
    STREAM_TOKEN_SECRET: secret,
    LOG_LEVEL: "trace",
  });
  const url = new URL("/api/caller", await app.url());
  expect((await fetch(url)).status).toBe(401);
  const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
  expect(await response.json()).toMatchObject({ caller: "key:shop", authentication: "key" });
  await app.kill("SIGTERM");
  for (const printed of [app.stdout, app.stderr]) {
    expect(printed).not.toContain(key);
    expect(printed).not.toContain(secret);
    expect(printed).not.toContain(JSON.parse(line).sha256);
  }
});

test("a file of API keys that cannot be used keeps the process from starting, and says which lines", async () => {
  const { line } = createKey("shop", "operations:read", "operations:write");
  const file = createKeyFile(line, "nonsense");
  onTestFinished(file.remove);
  const app = AppProcess.start(["api"], { ...EVERYWHERE, API_KEYS_FILE: file.path });
  expect((await app.exited()).code).toBe(1);
  expect(app.stdout).toMatch(
    /line 1: .*operations:write.* is not a scope.*line 2: it is not a JSON object/,
  );
  expect(app.stdout).not.toContain(JSON.parse(line).sha256);
});
