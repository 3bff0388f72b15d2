/**
 * The yardstick: a bare `node:http` server that holds SSE responses and broadcasts to them with
 * `res.write`, in a process of its own.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Child, obey } from "./child.ts";

/** The plain server as a bench uses it. */
export class PlainServer {
  readonly child: Child;
  readonly port: number;

  static async start(core = 0): Promise<PlainServer> {
    const child = Child.start("support/plain-server.ts", { core });
    return new PlainServer(child, await child.ask("listen"));
  }

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
  }

  /** Sends `text` to all every `everyMs`, from one timer. */
  broadcast = (text: string, everyMs: number) =>
    this.child.ask<void>("broadcast", { text, everyMs });
  /** Stops sending. */
  silence = () => this.child.ask<void>("silence");
  stop = () => this.child.stop();
}

const responses = new Set<ServerResponse>();
let timer: NodeJS.Timeout | undefined;

export function plainServer(): Server {
  return createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 2000\n\n");
    responses.add(response);
    response.once("close", () => responses.delete(response));
  });
}

function listen(): Promise<number> {
  const server = plainServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  return promise;
}

export function writeToAll(bytes: Buffer): void {
  for (const response of responses) response.write(bytes);
}

function broadcast({ text, everyMs }: { text: string; everyMs: number }): void {
  const bytes = Buffer.from(text);
  timer = setInterval(() => writeToAll(bytes), everyMs);
}

const silence = () => clearInterval(timer);

if (process.argv[1] === import.meta.filename) obey({ listen, broadcast, silence });
