/** The yardstick of the API: a Fastify route that answers the same bytes, and nothing else. */
import type { AddressInfo } from "node:net";
import Fastify from "fastify";
import { Child, obey } from "../support/child.ts";

export class FastifyRoute {
  readonly child: Child;
  readonly port: number;

  /** @param body what `GET /` answers as JSON */
  static async start(body: string, core = 0): Promise<FastifyRoute> {
    const child = Child.start("peers/fastify-route.ts", { core });
    return new FastifyRoute(child, await child.ask("listen", body));
  }

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
  }

  stop = () => this.child.stop();
}

async function listen(body: string): Promise<number> {
  const app = Fastify();
  app.get("/", (_request, reply) => {
    reply.type("application/json; charset=utf-8").send(body);
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}

if (process.argv[1] === import.meta.filename) obey({ listen });
