import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { onEnd } from "../helpers/lifetime.ts";

/** A TCP relay that can fail as networks and proxies do. */
export interface FaultyRelay {
  readonly url: URL;
  /** Holds back what the server sends, on open and on new connections. They stay open. */
  mute(): void;
  /** Sends what was held back, and passes everything on again. */
  unmute(): void;
  /** Cuts every open connection. New ones are served. */
  cut(): void;
  /** New connections go to this server. */
  pointTo(server: URL): void;
}

/** Relays to the server at `target`, until the test ends. */
export async function startFaultyRelay(target: URL): Promise<FaultyRelay> {
  let present = target;
  const upstreams = new Set<Socket>();
  let muted = false;

  const server = createServer((client) => {
    const upstream = connect(Number(present.port), present.hostname);
    upstreams.add(upstream);
    client.pipe(upstream);
    upstream.on("data", (bytes) => client.write(bytes));
    if (muted) upstream.pause();
    for (const socket of [client, upstream]) {
      socket.on("error", () => {}); // a cut connection is what the test is about
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
        upstreams.delete(upstream);
      });
    }
  });
  const cut = () => {
    for (const upstream of upstreams) upstream.destroy();
  };
  onEnd(() => {
    cut();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    mute() {
      muted = true;
      for (const upstream of upstreams) upstream.pause();
    },
    unmute() {
      muted = false;
      for (const upstream of upstreams) upstream.resume();
    },
    cut,
    pointTo(server) {
      present = server;
    },
  };
}
