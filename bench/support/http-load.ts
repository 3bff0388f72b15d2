/** Requests as quickly as they are answered, by autocannon in a process of its own. */
import autocannon from "autocannon";
import { Child, obey } from "./child.ts";

export interface HttpRequests {
  readonly port: number;
  /** The connections send these in turn. */
  readonly requests: readonly HttpRequest[];
  readonly connections: number;
  readonly seconds: number;
  /** The only status that an answer may have. */
  readonly status: number;
}

export interface HttpRequest {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpFigures {
  readonly per_second: number;
  /** Times in milliseconds. */
  readonly p50_ms: number;
  readonly p99_ms: number;
}

export class HttpLoad {
  readonly child: Child;

  static start(core: number): HttpLoad {
    return new HttpLoad(Child.start("support/http-load.ts", { core }));
  }

  private constructor(child: Child) {
    this.child = child;
  }

  /** @throws Error if an answer had another status, or none came */
  send = (requests: HttpRequests) => this.child.ask<HttpFigures>("send", requests);
  stop = () => this.child.stop();
}

async function send(options: HttpRequests): Promise<HttpFigures> {
  const { port, requests, connections, seconds, status } = options;
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    duration: seconds,
    requests: requests.map((each) => ({ ...each, headers: { ...each.headers } })),
  });
  const { statusCodeStats = {}, errors, timeouts, latency } = result;
  const others = Object.keys(statusCodeStats).filter((each) => each !== String(status));
  if (others.length > 0 || errors + timeouts > 0) {
    throw new Error(`answers ${JSON.stringify(statusCodeStats)}, ${errors} errors, not ${status}`);
  }
  return {
    per_second: Math.round(result.requests.total / result.duration),
    p50_ms: latency.p50,
    p99_ms: latency.p99,
  };
}

if (process.argv[1] === import.meta.filename) obey({ send });
