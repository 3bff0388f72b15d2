import { type AddressInfo, createServer } from "node:net";

/** Starts an operation as a client would, and returns its id. */
export async function startOperation(url: URL, body: object): Promise<string> {
  const response = await fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { operation_id: string }).operation_id;
}

/** A port on which nothing listens, for now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
