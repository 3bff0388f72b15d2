import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { clientLimits, descriptorLimit } from "../../src/descriptors.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { startOperation } from "./support.ts";

const DESCRIPTORS = 300;
const LIMITED = ["bash", "-c", `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`];

/** Opens a connection, and returns what was received on it and whether it is closed. */
async function open(url: URL, request = "") {
  const socket: Socket = connect(Number(url.port), url.hostname);
  onTestFinished(() => void socket.destroy());
  const client = { socket, received: "", closed: false };
  socket.setEncoding("utf8").on("data", (text: string) => {
    client.received += text;
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    client.closed = true;
  });
  await once(socket, "connect");
  socket.write(request);
  return client;
}

test("the limit of the system is read, and counts where it is lower than MAX_CONNECTIONS", () => {
  expect(descriptorLimit()).toBeGreaterThan(64);
  expect(clientLimits(20_000, undefined)).toEqual({ maxSockets: undefined, maxStreams: 20_000 });
  expect(clientLimits(1000, 65_536).maxStreams).toBe(1000);
  expect(clientLimits(20_000, 1024)).toEqual({ maxSockets: 960, maxStreams: 896 });
  for (const descriptors of [16, 64, 100, 256, 20_000]) {
    const { maxSockets = 0, maxStreams } = clientLimits(20_000, descriptors);
    expect(maxStreams).toBeGreaterThan(0);
    expect(maxStreams).toBeLessThan(maxSockets);
  }
});

test("with fewer descriptors than MAX_CONNECTIONS, every client gets a stream or bye drain", async () => {
  const app = AppProcess.start(["all"], {}, { prefix: LIMITED });
  const url = await app.url();
  const warning = await app.printed(/.*MAX_CONNECTIONS exceeds the limit of open files.*/);
  expect(JSON.parse(warning[0])).toMatchObject({
    level: 40,
    maxConnections: 20_000,
    descriptors: DESCRIPTORS,
  });
  const id = await startOperation(url, { processing_time: 3600, steps: 1 });
  const request = `GET /api/operations/${id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  const outcomes = { stream: 0, bye: 0 };
  for (let client = 0; client < 400; client += 1) {
    const opened = await open(url, request);
    await eventually("an answer", () => /event: (snapshot|bye)/.test(opened.received));
    outcomes[/snapshot/.test(opened.received) ? "stream" : "bye"] += 1;
  }
  expect(outcomes.stream + outcomes.bye).toBe(400);
  expect(outcomes.stream).toBeGreaterThan(100);
  expect((await fetch(new URL("/readyz", url))).status).toBe(200);
});

test("without free descriptors there is one log line and /readyz is 503, until there are some again", async () => {
  const app = AppProcess.start(["all"], {}, { prefix: LIMITED });
  const url = await app.url();
  const probe = await open(url); // One connection that is there before.
  const idle = await Promise.all(Array.from({ length: 350 }, () => open(url)));
  await eventually("refusals", () => idle.filter(({ closed }) => closed).length > 50);
  await app.printed(/out of file descriptors/);
  probe.socket.write("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n");
  await eventually("the probe's answer", () => /descriptors-exhausted/.test(probe.received));
  expect(probe.received).toMatch(/^HTTP\/1\.1 503 /);
  expect(app.stdout.match(/out of file descriptors/g)).toHaveLength(1);

  for (const { socket } of idle) socket.destroy();
  await eventually("the API to be ready again", async () => {
    const response = await fetch(new URL("/readyz", url)).catch(() => undefined);
    return response?.ok;
  });
  expect(await app.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});
