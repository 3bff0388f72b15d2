import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type HintOutcome, HintSender } from "../../src/dts/hints/hint-sender.ts";
import { eventually } from "../helpers/deadline.ts";

interface Received {
  readonly ids: string[];
  readonly authorization: string | undefined;
  readonly port: number | undefined;
}

/** A server that takes hints, as `answer` says. */
async function startTaker(answer: (response: ServerResponse) => void) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text) => {
      body += text;
    });
    request.on("end", () => {
      const { authorization } = request.headers;
      const { operation_ids: ids } = JSON.parse(body);
      received.push({ ids, authorization, port: request.socket.remotePort });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { received, url: `http://127.0.0.1:${port}` };
}

function startSender(url: string) {
  const logged: string[] = [];
  const outcomes = new Map<HintOutcome, number>();
  const sender = new HintSender({
    url,
    token: "secret",
    log: { warn: (_, text) => logged.push(text), info: (_, text) => logged.push(text) },
    onOutcome: (outcome, count) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count),
  });
  onTestFinished(() => sender.close());
  return { sender, logged, outcomes };
}

const take = (response: ServerResponse) => void response.writeHead(204).end();

test("hints of a moment are one request, each operation once, on one connection (HINT-2)", async () => {
  const { received, url } = await startTaker(take);
  const { sender, outcomes } = startSender(url);
  for (const id of ["a", "b", "a", "c", "a"]) sender.hint(id);
  await eventually("the first request", () => outcomes.get("sent") === 3);
  sender.hint("d");
  await eventually("the second request", () => outcomes.get("sent") === 4);
  expect(received.map(({ ids }) => ids)).toEqual([["b", "c", "a"], ["d"]]);
  expect(received[0]?.authorization).toBe("Bearer secret");
  expect(new Set(received.map(({ port }) => port)).size).toBe(1);
});

test("one request is in flight; those that wait are merged, and bounded (HINT-1, HINT-2)", async () => {
  const waiting: ServerResponse[] = [];
  const { received, url } = await startTaker((response) => void waiting.push(response));
  const { sender, outcomes } = startSender(url);
  sender.hint("first");
  await eventually("the first request", () => received.length === 1);
  for (let round = 0; round < 3; round += 1) {
    for (let index = 0; index < 10_500; index += 1) sender.hint(`op-${index}`);
  }
  expect(received).toHaveLength(1);
  expect(outcomes.get("dropped")).toBeGreaterThan(0);
  const next = received.length;
  waiting.shift()?.writeHead(204).end();
  await eventually("the next request", () => received.length > next);
  expect(received[1]?.ids).toHaveLength(1000);
  expect(received[1]?.ids.at(-1)).toBe("op-10499");
});

test("while the server is away nothing piles up, one line says so, and one that it is back (HINT-3)", async () => {
  let isAway = true;
  const { url } = await startTaker((response) => {
    if (isAway) response.writeHead(503).end();
    else take(response);
  });
  const { sender, logged, outcomes } = startSender(url);
  sender.hint("a");
  await eventually("a failure", () => outcomes.get("failed") === 1);
  await eventually("a second failure", () => {
    sender.hint("b");
    return (outcomes.get("failed") ?? 0) >= 2;
  });
  isAway = false;
  await eventually("hints to be sent again", () => {
    sender.hint("c");
    return (outcomes.get("sent") ?? 0) > 0;
  });
  expect(logged).toEqual([
    "hints cannot be sent: viewers wait for the next poll",
    "hints are sent again",
  ]);
});

test("a server that takes the connection and does not answer is given up (HINT-3)", async () => {
  const { url } = await startTaker(() => undefined);
  const { sender, outcomes } = startSender(url);
  sender.hint("a");
  await eventually("the deadline", () => outcomes.get("failed") === 1);
});
