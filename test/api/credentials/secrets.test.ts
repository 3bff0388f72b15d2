import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../../src/start.ts";
import { startLog } from "../../dts/support/log.ts";
import { createKey, createKeyFile } from "../../helpers/api-key.ts";
import { eventually } from "../../helpers/deadline.ts";
import { OidcIssuer } from "../../helpers/oidc-issuer.ts";
import { instance } from "../../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../../helpers/scheduler/scripted-scheduler.ts";
import { testConfig } from "../../helpers/stack.ts";
import { WsClient } from "../../helpers/ws-client.ts";
import { exchange } from "../support/raw-connection.ts";

const PATHS = [
  "/api/operations/op",
  "/api/operations/none",
  "/api/operations/op/events",
  "/api/events?operation_id=op",
  "/api/caller",
  "/metrics",
  "/readyz",
  "/nope",
  "/%zz",
];

test("credentials never appear in the log, at any level, nor in an answer", async () => {
  const issuer = await OidcIssuer.start();
  const good = createKey("good", "operations:read", "streams:token");
  const file = createKeyFile(good.line);
  const scheduler = await ScriptedScheduler.start([instance()]);
  const log = startLog("trace");
  const secret = "stream-token-secret-of-more-than-32-bytes";
  const api = await startApi(
    testConfig({
      target: { address: scheduler.address, taskHub: "default", authentication: { kind: "none" } },
      maxAuthFailuresPerMinute: 0,
      credentials: {
        apiKeysFile: file.path,
        issuer: issuer.options,
        streamTokenSecrets: [secret],
      },
    }),
    log.logger,
  );
  onTestFinished(async () => {
    await api.close();
    issuer.close();
    file.remove();
  });
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  const token = await issuer.token(["operations:read"]);
  const secrets = [
    good.key,
    token,
    "guessed-key",
    await issuer.token(["operations:read"], { forged: true }),
    await issuer.token(["operations:read"], { expiresInS: -1 }),
  ];
  let answers = "";
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(new URL(path, url), { headers });
    if (response.headers.get("content-type") === "text/event-stream") await response.body?.cancel();
    else answers += await response.text();
  };

  for (const each of secrets) {
    for (const path of PATHS) {
      await get(path, { authorization: `Bearer ${each}` });
      await get(path, {
        authorization: `Basic ${each}`,
        cookie: `session=${each}`,
        "x-api-key": each,
      });
      await get(`${path}${path.includes("?") ? "&" : "?"}access_token=${each}`);
    }
    for (const body of [`{"prefix":"${each}`, `"${each}"`, `{"ttl_s":"${each}"}`]) {
      const headers = { authorization: `Bearer ${good.key}`, "content-type": "application/json" };
      const response = await fetch(new URL("/api/stream-tokens", url), {
        method: "POST",
        headers,
        body,
      });
      answers += await response.text();
    }
    for (const message of [
      { type: "auth", token: each },
      { type: "auth", token: [each] },
      `{"type":"auth","token":"${each}`,
      { type: "subscribe", sub: "s", operation_id: "op", token: each },
    ]) {
      const socket = await WsClient.connect(url);
      socket.send(message);
      answers += JSON.stringify(await socket.next());
      socket.socket.terminate();
    }
    answers += await exchange(
      url,
      `GET / HTTP/1.1\r\nauthorization: Bearer ${each}\r\nbad header\r\n\r\n`,
    );
  }
  const closed = () => log.lines.filter(({ msg }) => msg === "stream closed").length;
  await eventually("all streams to be logged", () => closed() >= 4 * secrets.length);

  const logged = JSON.stringify(log.lines);
  expect(log.lines.length).toBeGreaterThan(100);
  for (const each of [...secrets, secret]) {
    // The middle of a token is what it says; each part by itself would be too much.
    const [, claims = each] = each.split(".");
    for (const part of [each, claims, each.slice(-20)]) {
      expect(logged).not.toContain(part);
      expect(answers).not.toContain(part);
    }
  }
  expect(logged).toContain('"caller":"key:good"');
  expect(logged).toContain('"caller":"token:alice"');
});
