/** A peer that is a Node server. It has a timer of its own, so that publishing costs it nothing. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Child, obey } from "../support/child.ts";
import type { LoadTransport } from "../support/load-connection.ts";
import { onSchedule, type Schedule } from "../support/schedule.ts";
import { type Event, eventAt } from "./event.ts";
import type { Peer } from "./peer.ts";

export class NodePeer implements Peer {
  readonly child: Child;
  readonly clients: Peer["clients"];

  /** @param name of a program in this folder that calls `serve` */
  static async start(name: string, transport: LoadTransport): Promise<NodePeer> {
    const child = Child.start(`peers/${name}.ts`, { core: 0 });
    const port = await child.ask<number>("listen");
    // Others than Socket.IO take any path.
    return new NodePeer(child, {
      port,
      transport,
      paths: ["/socket.io/?EIO=4&transport=websocket"],
    });
  }

  private constructor(child: Child, clients: Peer["clients"]) {
    this.child = child;
    this.clients = clients;
  }

  usage = () => this.child.usage();
  collectGarbage = () => this.child.collectGarbage();
  publish = (schedule: Schedule) => this.child.ask<number>("publish", schedule);
  stop = () => this.child.stop();
}

/** In the program of a peer: `send` sends the event to all clients of `server`. */
export function serve(server: Server, send: (event: Event) => void): void {
  obey({
    listen: () => {
      const { promise, resolve } = Promise.withResolvers<number>();
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
      return promise;
    },
    publish: (schedule: Schedule) => onSchedule(schedule, (dueAtMs) => send(eventAt(dueAtMs))),
  });
}
