import type { Message } from "../../../client/wire.ts";
import { SkipError } from "./check.ts";
import { type EventStream, parseStream } from "./event-stream.ts";
import { Socket } from "./socket.ts";

export interface ServerOptions {
  readonly url: URL;
  readonly token: string | undefined;
  /** Time for each answer, and for each stream to its end. */
  readonly withinMs: number;
}

/** The server under test, without the client: requests as they are, with its credential. */
export class Server {
  readonly #url: URL;
  readonly #withinMs: number;
  readonly token: string | undefined;

  constructor({ url, token, withinMs }: ServerOptions) {
    this.#url = new URL(url);
    this.#url.pathname = url.pathname.replace(/\/?$/, "/");
    this.#withinMs = withinMs;
    this.token = token;
  }

  urlOf(path: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(path, this.#url);
    for (const [key, value] of Object.entries(query)) url.searchParams.append(key, value);
    return url;
  }

  /** @throws SkipError if the credential does not permit it */
  async request(url: URL, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.token) headers.set("authorization", `Bearer ${this.token}`);
    const signal = AbortSignal.timeout(this.#withinMs);
    const response = await fetch(url, { ...init, headers, signal });
    if (response.status !== 403) return response;
    const { slug } = await problemIn(response.clone());
    if (slug === "forbidden") throw new SkipError("the credential does not permit it");
    return response;
  }

  post(url: URL, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.request(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  async json(url: URL): Promise<Record<string, unknown>> {
    return (await (await this.request(url)).json()) as Record<string, unknown>;
  }

  /** A stream of server-sent events, to its end. */
  async stream(url: URL, headers: Record<string, string> = {}): Promise<EventStream> {
    const response = await this.request(url, {
      headers: { accept: "text/event-stream", ...headers },
    });
    return {
      ...parseStream(await response.text()),
      status: response.status,
      headers: response.headers,
    };
  }

  /** A WebSocket that is open, and authenticated where there is a credential. */
  async socket(): Promise<Socket> {
    const url = this.urlOf("api/ws");
    url.protocol = url.protocol.replace("http", "ws");
    const socket = await Socket.open(url, this.#withinMs);
    if (this.token) {
      socket.send({ type: "auth", token: this.token });
      await socket.next("authenticated");
    }
    return socket;
  }
}

async function problemIn(response: Response): Promise<{ readonly slug: string }> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Message>;
  return { slug: String(problem.type).replace(/^.*:/, "") };
}
