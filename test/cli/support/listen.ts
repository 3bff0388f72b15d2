import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onEnd } from "../../helpers/lifetime.ts";

/** Has a server listen on a free port. It ends with the test. */
export async function listenOn(server: Server): Promise<URL> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  onEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}
