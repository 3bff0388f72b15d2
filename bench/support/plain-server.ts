/**
 * The yardstick: a bare `node:http` server that holds SSE responses and broadcasts to them with
 * `res.write`, in a process of its own.
 */
import { createServer, type ServerResponse } from "node:http";
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

  /** Sends `text` to all every `everyMs`, from one timer; 0 for as quickly as clients take it. */
  broadcast = (text: string, everyMs: number) =>
    this.child.ask<void>("broadcast", { text, everyMs });
  /** Stops sending, and returns the number of writes. */
  silence = () => this.child.ask<number>("silence");
  stop = () => this.child.stop();
}

/** As ours: a client with more than this unsent is passed over. */
const READY_BYTES = 16 * 1024;

const responses = new Set<ServerResponse>();
let writes = 0;
let timer: NodeJS.Timeout | undefined;
let saturating = false;

function listen(): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 2000\n\n");
    responses.add(response);
    response.once("close", () => responses.delete(response));
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  return promise;
}

function writeToAll(bytes: Buffer): void {
  for (const response of responses) {
    if (response.writableLength > READY_BYTES) continue;
    response.write(bytes);
    writes += 1;
  }
}

function broadcast({ text, everyMs }: { text: string; everyMs: number }): void {
  const bytes = Buffer.from(text);
  writes = 0;
  if (everyMs > 0) timer = setInterval(() => writeToAll(bytes), everyMs);
  else {
    saturating = true;
    const next = () => {
      if (!saturating) return;
      writeToAll(bytes);
      setImmediate(next);
    };
    next();
  }
}

function silence(): number {
  clearInterval(timer);
  saturating = false;
  return writes;
}

if (process.argv[1] === import.meta.filename) obey({ listen, broadcast, silence });
