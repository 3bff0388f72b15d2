import { type AddressInfo, createServer, type Socket } from "node:net";
import { onEnd } from "../../helpers/lifetime.ts";

/** Accepts connections, reads everything and never answers. @returns its `host:port` */
export async function startBlackhole(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
