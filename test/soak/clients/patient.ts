import { setTimeout as pause } from "node:timers/promises";

/** Repeats a request until it is answered, as a backend does that wants its answer. */
export class Patient {
  readonly #url: URL;
  readonly #key: string;
  readonly #signal: AbortSignal;
  /** Attempts that were not answered, or by a proxy or an outage. */
  retries = 0;
  /** Answers that no fault explains. */
  readonly problems: string[] = [];

  /** @param signal ends every request; it rejects then */
  constructor(url: URL, key: string, signal: AbortSignal) {
    this.#url = url;
    this.#key = key;
    this.#signal = signal;
  }

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${this.#key}`);
    for (;;) {
      this.#signal.throwIfAborted();
      const answer = await this.#attempt(new URL(path, this.#url), { ...init, headers });
      if (answer) return answer;
      this.retries += 1;
      await pause(100 + Math.random() * 400, undefined, { signal: this.#signal });
    }
  }

  /** A stream token that is valid for so long, in seconds. */
  async token(ttlS: number): Promise<string> {
    const response = await this.request("/api/stream-tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ttl_s: ttlS }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  /** `undefined` where it should be repeated. A body that is cut counts as no answer. */
  async #attempt(url: URL, init: RequestInit): Promise<Response | undefined> {
    try {
      const response = await fetch(url, { ...init, signal: this.#signal });
      const { status, headers } = response;
      const body = await response.arrayBuffer();
      if (status < 400) return new Response(status === 304 ? null : body, { status, headers });
      const isOwn = headers.get("content-type")?.startsWith("application/problem+json");
      const text = Buffer.from(body).toString();
      const isFault = status >= 502 || status === 429 || status === 408 || !isOwn;
      if (!isFault) this.problems.push(`${init.method ?? "GET"} ${url.pathname}: ${text}`);
      return undefined;
    } catch {
      return undefined;
    }
  }
}
