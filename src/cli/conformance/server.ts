import { EventStream } from "./event-stream.ts";
import { expect, expectEqual, Skipped, show } from "./expect.ts";
import { Socket } from "./socket.ts";
import { expectProblem, type Problem } from "./wire.ts";

export type Query = Readonly<Record<string, string | number | readonly string[]>>;

export interface RequestOptions {
  readonly method?: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** A body that is sent as JSON. */
  readonly json?: unknown;
  /** A body that is sent as it is. */
  readonly body?: string;
  /** Instead of that of the command line; `null` sends none. */
  readonly token?: string | null;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Empty where the body is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
}

interface ServerOptions {
  /** Ends with a slash. */
  readonly url: URL;
  readonly token: string | undefined;
  /** Ends every request, stream and socket. */
  readonly signal: AbortSignal;
}

/** The server, as one check uses it. */
export class Server {
  /** What the check waits for: the report of one that waits in vain. */
  waitingFor = "its first request";
  readonly signal: AbortSignal;
  readonly #url: URL;
  readonly #token: string | undefined;

  constructor({ url, token, signal }: ServerOptions) {
    this.#url = url;
    this.#token = token;
    this.signal = signal;
  }

  /** @throws Skipped if the credential does not permit it */
  async request(path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.#send(path, options);
    const text = await response.text();
    const { status, headers } = response;
    const isJson = /^application\/(problem\+)?json\b/.test(headers.get("content-type") ?? "");
    const answer = { status, headers, body: isJson && text !== "" ? JSON.parse(text) : {} };
    if (status === 403 && answer.body.type === "urn:dts-push:problem:forbidden") {
      throw new Skipped(`the credential does not permit it (${show(answer.body.scope)})`);
    }
    return answer;
  }

  /** @returns the answer, which has this status */
  async expect(status: number, path: string, options: RequestOptions = {}): Promise<Answer> {
    const answer = await this.request(path, options);
    const { detail = "" } = answer.body;
    const what = `status of ${options.method ?? "GET"} ${path}`;
    const message = `${what}: ${answer.status}, not ${status} ${show(detail)}`;
    expect(answer.status === status, message);
    return answer;
  }

  /** @returns the problem document that refuses the request */
  async refused(
    status: number,
    slug: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer> {
    const answer = await this.expect(status, path, options);
    const type = answer.headers.get("content-type") ?? "";
    expect(type.startsWith("application/problem+json"), `content-type is ${show(type)}`);
    expectProblem(answer.body as Problem, status, slug);
    return answer;
  }

  async stream(path: string, options: RequestOptions = {}): Promise<EventStream> {
    const headers = { accept: "text/event-stream", ...options.headers };
    const response = await this.#send(path, { ...options, headers });
    if (response.status === 403) throw new Skipped("the credential does not permit this stream");
    expectEqual(`status of the stream ${path}`, response.status, 200);
    const type = response.headers.get("content-type") ?? "";
    expect(type.startsWith("text/event-stream"), `content-type is ${show(type)}`);
    expect(response.body, "the stream has no body");
    return new EventStream(response.body, response.headers, (what) => {
      this.waitingFor = what;
    });
  }

  /** A WebSocket that has sent the credential, if there is one. */
  async socket(query: Query = {}, token = this.#token): Promise<Socket> {
    const url = this.#urlOf("api/ws", query);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.waitingFor = "the WebSocket to open";
    const socket = await Socket.open(url, this.signal, (what) => {
      this.waitingFor = what;
    });
    if (token !== undefined) socket.send({ type: "auth", token });
    return socket;
  }

  async #send(path: string, options: RequestOptions): Promise<Response> {
    const { method = "GET", query, json, body, token = this.#token } = options;
    const headers = new Headers(options.headers);
    if (json !== undefined) headers.set("content-type", "application/json");
    if (token) headers.set("authorization", `Bearer ${token}`);
    this.waitingFor = `an answer to ${method} ${path}`;
    return fetch(this.#urlOf(path, query), {
      method,
      headers,
      redirect: "manual",
      signal: this.signal,
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
    });
  }

  /** @param path below the server's own, or one that the server has given, which begins with a slash */
  #urlOf(path: string, query: Query = {}): URL {
    const url = new URL(path, this.#url);
    for (const [key, value] of Object.entries(query)) {
      for (const each of [value].flat()) url.searchParams.append(key, String(each));
    }
    return url;
  }
}
