import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { type Stack, startTestApi, startTestScheduler, startTestWorker } from "../helpers/stack.ts";
import { problemOf } from "./support/problem.ts";

function start({ url }: Stack, body: object): Promise<Response> {
  return fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function read({ url }: Stack, id: string): Promise<Record<string, unknown>> {
  const response = await fetch(new URL(`/api/operations/${id}`, url));
  return (await response.json()) as Record<string, unknown>;
}

async function completed(api: Stack, id: string): Promise<Record<string, unknown>> {
  return eventually(`the end of ${id}`, async () => {
    const document = await read(api, id);
    return document.status === "Completed" && document;
  });
}

test("a client may choose the id, and an id in use is 409, after the operation's end as well", async () => {
  const address = await startTestScheduler();
  const api = await startTestApi(address);
  const first = await start(api, { operation_id: "mine", processing_time: 0 });
  expect([first.status, await first.json()]).toMatchObject([202, { operation_id: "mine" }]);

  const problem = await problemOf(
    await start(api, { operation_id: "mine" }),
    409,
    "operation-exists",
  );
  expect(problem.operation_id).toBe("mine");

  startTestWorker(address);
  const document = await completed(api, "mine");
  await problemOf(await start(api, { operation_id: "mine" }), 409, "operation-exists");
  expect(await read(api, "mine")).toEqual(document);
});

test("an invalid chosen id is 400, and so is one that is not a string", async () => {
  const api = await startTestApi(await startTestScheduler());
  for (const operation_id of ["", "@x", "x".repeat(101), "a\nb", "é"]) {
    const response = await start(api, { operation_id });
    await problemOf(response, 400, "invalid-operation-id", JSON.stringify(operation_id));
  }
  for (const operation_id of [5, null, {}, ["x"]]) {
    const response = await start(api, { operation_id });
    const { detail } = await problemOf(response, 400, "invalid-body", JSON.stringify(operation_id));
    expect(detail).toContain("operation_id");
  }
});

test("a start that is repeated after a 503 runs one operation, also if the first arrives late", async () => {
  const address = await startTestScheduler();
  startTestWorker(address);
  const link = await startLink(address);
  const [near, far] = [await startTestApi(address), await startTestApi(link.address)];
  await far.startOperation({ processing_time: 0 }); // so that its connection is open

  link.hold();
  const body = { operation_id: "once", processing_time: 0 };
  const unanswered = await within("an answer without the scheduler", start(far, body), 20_000);
  const problem = await problemOf(unanswered, 503, "scheduler-unavailable");
  expect(problem.operation_id).toBe("once");
  expect((await start(near, body)).status).toBe(202);
  const document = await completed(near, "once");

  link.release();
  // Behind the held start on the same connection, so that one has arrived when this is answered.
  await problemOf(await start(far, body), 409, "operation-exists");
  expect(await read(near, "once")).toEqual(document);
});

/** A link to the scheduler that can hold back what is sent to it. */
async function startLink(target: string) {
  const [host = "", port] = target.split(":");
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    clients.add(client);
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.pipe(client);
    for (const socket of [client, upstream]) {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port");
  return {
    address: `127.0.0.1:${address.port}`,
    hold() {
      for (const client of clients) client.pause();
    },
    release() {
      for (const client of clients) client.resume();
    },
  };
}
