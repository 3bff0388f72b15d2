import { problemOf } from "./problem.ts";

/** A token, or what returns one: called for the first request, and again once a token is no longer accepted. */
export type Token = string | (() => string | Promise<string>);

/** How JSON becomes a value. */
export type Parse = (json: string) => unknown;

/** Values of a query; arrays repeat the key, `undefined` leaves it out. */
export type Query = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

export interface HttpOptions {
  readonly url: URL;
  readonly token: Token | undefined;
  readonly fetch: typeof fetch;
  readonly parse: Parse;
}

/** Requests to one server, with its credential. */
export class Http {
  readonly #url: URL;
  readonly parse: Parse;
  readonly #source: Token | undefined;
  readonly #fetch: typeof fetch;
  #token: Promise<string> | undefined;
  #present: string | undefined;
  /** Whether the token before was accepted. The one that follows a refused one has to be. */
  #accepted = true;

  constructor({ url, token, fetch, parse }: HttpOptions) {
    this.#url = url;
    this.#source = token;
    this.#fetch = fetch;
    this.parse = parse;
  }

  urlOf(path: string, query: Query = {}): URL {
    const url = new URL(path, this.#url);
    for (const [key, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const each of [value].flat()) url.searchParams.append(key, String(each));
    }
    return url;
  }

  async token(): Promise<string | undefined> {
    const source = this.#source;
    if (typeof source !== "function") return source;
    // Requests that come meanwhile wait for the same one.
    this.#token ??= (async () => source())();
    try {
      this.#present = await this.#token;
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
    return this.#present;
  }

  /** The present token works. */
  accept(): void {
    this.#accepted = true;
  }

  /** A token is refused, or has expired. @returns whether there is another one, or will be */
  renew(refused: string | undefined): boolean {
    if (typeof this.#source !== "function") return false;
    if (refused !== this.#present) return true;
    const may = this.#accepted;
    this.#accepted = false;
    this.#token = undefined;
    this.#present = undefined;
    return may;
  }

  /** @throws ProblemError for an answer that is no success, TypeError if there is none */
  async request(url: URL, init: RequestInit = {}): Promise<Response> {
    // Called without a receiver: browsers refuse `fetch` as a method of another object.
    const send = this.#fetch;
    for (;;) {
      const headers = new Headers(init.headers);
      const token = await this.token();
      if (token) headers.set("authorization", `Bearer ${token}`);
      const response = await send(url, { ...init, headers });
      if (response.ok) {
        this.accept();
        return response;
      }
      const problem = await problemOf(response);
      if (response.status !== 401 || !this.renew(token)) throw problem;
    }
  }
}
