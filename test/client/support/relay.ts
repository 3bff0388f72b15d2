import { createServer, connect as dial, type Socket } from "node:net";
import { onEnd } from "../../helpers/lifetime.ts";

/** What a relay does with the bytes of one connection that come from the server. */
export interface Fault {
  /** Cuts the connection behind so many bytes. */
  readonly cutAfter?: number;
  /** Passes nothing on behind so many bytes, and stays open. */
  readonly muteAfter?: number;
}

/**
 * A relay of bytes in front of a server.
 * @param faultOf decides about a connection by its first bytes, and its number from 0
 */
export async function startRelay(
  target: () => URL,
  faultOf: (request: string, connection: number) => Fault = () => ({}),
) {
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    const number = connections++;
    const { hostname, port } = target();
    const upstream = dial(Number(port), hostname);
    let fault: Fault | undefined;
    let passed = 0;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        open.delete(socket);
        end();
      });
    }
    client.on("data", (bytes) => {
      fault ??= faultOf(bytes.toString("latin1"), number);
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      const { cutAfter = Number.POSITIVE_INFINITY, muteAfter = Number.POSITIVE_INFINITY } =
        fault ?? {};
      const room = Math.max(0, Math.min(cutAfter, muteAfter) - passed);
      passed += bytes.length;
      if (room > 0) client.write(bytes.subarray(0, room));
      if (passed >= cutAfter) client.end(() => end());
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onEnd(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    get connections() {
      return connections;
    },
    /** Cuts all connections. */
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
}
