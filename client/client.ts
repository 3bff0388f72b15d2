import { type FollowOptions, follow } from "./follow.ts";
import { Http, type Query, type Token } from "./http.ts";
import { ProblemError } from "./problem.ts";
import { noPlace, type Source } from "./source.ts";
import { DirectLink, type Link, type Transport } from "./transports/link.ts";
import { canShare, SharedLink } from "./transports/tabs.ts";
import type {
  Caller,
  History,
  Message,
  OperationDocument,
  OperationFilter,
  OperationPage,
  Problem,
  Started,
  Step,
} from "./wire.ts";

export type { ConnectionState } from "./follow.ts";
export { ProblemError } from "./problem.ts";
export type { Transport } from "./transports/link.ts";
export * from "./wire.ts";

export interface ClientOptions {
  /** Where the server is, with the prefix of its paths: `https://push.example.com/`. Default in a page: its own origin. */
  readonly url?: string | URL;
  /** A key or token, or a function that returns one and is called again when it has expired. */
  readonly token?: Token;
  /** Default `auto`: WebSocket, then server-sent events, then long-polls, whichever works; that is remembered. */
  readonly transport?: Transport | "auto";
  /**
   * Whether tabs of the browser share one connection. With a `token` it is a name that differs by user, since a tab
   * is then shown what another tab's token may read. Default: where the browser can, unless there is a `token`.
   */
  readonly share?: boolean | string;
  readonly fetch?: typeof fetch;
  /**
   * How JSON of operations is parsed. Default: `JSON.parse`, which rounds numbers beyond 2^53. Where tabs share a
   * connection, `JSON.stringify` has to write what it returns as it was: it does so with `JSON.rawJSON`, not with BigInt.
   */
  readonly parse?: (json: string) => unknown;
}

export interface WatchOptions extends FollowOptions {
  /** The `cursor` of the last item that was received: only what follows is sent. */
  readonly after?: string | undefined;
}

export interface StartOptions {
  readonly operation_id?: string;
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** ISO 8601, or a Date. */
  readonly start_at?: string | Date;
  /** The same key starts one operation, however often the request is repeated. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** One item of the steps of an operation. `cursor` resumes behind it. */
export type StepsItem =
  | { readonly type: "operation"; readonly operation: OperationDocument; readonly cursor: string }
  | { readonly type: "step"; readonly step: Step; readonly cursor: string }
  /** The steps before are no longer the history: those that follow begin with its first. */
  | { readonly type: "reset"; readonly reason: string; readonly cursor: string };

/** One item of a feed. `cursor` resumes behind it. */
export type FeedItem =
  | { readonly type: "operation"; readonly operation: OperationDocument; readonly cursor: string }
  /** It no longer matches the filter. You may never have had it. */
  | { readonly type: "removed"; readonly operation_id: string; readonly cursor: string }
  /** What follows is the feed from its beginning: forget what came before. */
  | { readonly type: "reset"; readonly cursor: string }
  /** Something to know, such as `feed-truncated`. */
  | { readonly type: "problem"; readonly problem: Problem; readonly cursor: string };

export interface ListOptions extends OperationFilter {
  readonly created_after?: string;
  readonly created_before?: string;
  readonly limit?: number;
  readonly page_token?: string;
  /** `input`, `result`, or both with a comma between them. */
  readonly include?: string;
}

/** What a stream token permits to read: these operations, those whose ids begin so, or all that its maker may. */
export interface StreamTokenOptions {
  readonly operation_ids?: readonly string[];
  readonly prefix?: string;
  /** 1–900 seconds. Default: 300. */
  readonly ttl_s?: number;
}

/** @see PROTOCOL.md, section 8 */
const MOST_OPERATIONS = 200;

/** A client of one server. It connects when something is watched, and not before. */
export type Client = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions = {}) {
  const base = new URL(options.url ?? "/", globalThis.location?.href);
  base.pathname = base.pathname.replace(/\/?$/, "/");
  const { token, parse = JSON.parse } = options;
  const http = new Http({ url: base, token, fetch: options.fetch ?? fetch, parse });
  let link: Link | undefined;
  const connect = (): Link => {
    if (link) return link;
    const { transport = "auto", share = token === undefined } = options;
    const direct = new DirectLink(http, transport);
    const name = `${share} ${transport} ${base}`;
    link = share && canShare() ? new SharedLink(direct, name, parse) : direct;
    return link;
  };

  const messages = (
    source: Source,
    { after, ...rest }: WatchOptions,
    cursors: Readonly<Record<string, string>> = {},
  ) => {
    const place = { ...noPlace(), after, cursors: new Map(Object.entries(cursors)) };
    return follow(connect(), source, place, rest);
  };

  /** @returns the answer, whose shape the server's contract says */
  const ask = async (path: string, query: Query, init?: RequestInit) =>
    // biome-ignore lint/suspicious/noExplicitAny: see above
    parse(await (await http.request(http.urlOf(path, query), init)).text()) as any;

  const get = (path: string, query: object) => ask(path, query as Query);

  const post = async (path: string, query: Query, body: unknown, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("content-type", "application/json");
    const request = { ...init, method: "POST", headers, body: JSON.stringify(body) };
    return ask(path, query, request);
  };

  const command =
    <Body extends object>(verb: string) =>
    (operation_id: string, body?: Body): Promise<OperationDocument> =>
      post(`api/${verb}`, { operation_id }, body ?? {});

  return {
    /**
     * The states of an operation, from the present one to the terminal one.
     * @throws ProblemError `operation-not-found`, `operation-gone`, or what the server refuses
     */
    async *watch(id: string, options: WatchOptions = {}): AsyncGenerator<OperationDocument, void> {
      const cursors = options.after === undefined ? {} : { [id]: options.after };
      for await (const message of messages({ kind: "operation", id }, options, cursors)) {
        if (message.operation) yield message.operation;
        checkEnd(id, message);
      }
    },

    /** The durable history of an operation as it grows, each step once and in order, with its states between. */
    async *watchSteps(
      id: string,
      { payloads = false, ...options }: WatchOptions & { readonly payloads?: boolean } = {},
    ): AsyncGenerator<StepsItem, void> {
      for await (const message of messages({ kind: "steps", id, payloads }, options)) {
        const { type, id: cursor = "", operation, operation_id: _, ...rest } = message;
        if (operation) yield { type: "operation", operation, cursor };
        if (type === "step") yield { type, step: rest as unknown as Step, cursor };
        if (type === "reset") yield { type, reason: String(rest.reason), cursor };
        checkEnd(id, message);
      }
    },

    /**
     * The states of up to 200 operations, until all are terminal. Those that do not exist are left out.
     * @param options `cursors`: the last cursor of each operation, by its id
     * @throws RangeError for more ids
     */
    async *watchMany(
      ids: readonly string[],
      { cursors, ...options }: FollowOptions & { readonly cursors?: Record<string, string> } = {},
    ): AsyncGenerator<OperationDocument, void> {
      const wanted = [...new Set(ids)];
      if (wanted.length > MOST_OPERATIONS) {
        throw new RangeError(`At most ${MOST_OPERATIONS} operations can be watched at a time.`);
      }
      if (wanted.length === 0) return;
      const source: Source = { kind: "operations", ids: wanted };
      for await (const { operation } of messages(source, options, cursors)) {
        if (operation) yield operation;
      }
    },

    /** The newest operations of the task hub and every change of them, without an end. */
    async *watchFeed(
      filter: OperationFilter = {},
      options: WatchOptions = {},
    ): AsyncGenerator<FeedItem, void> {
      let began = false;
      for await (const message of messages({ kind: "feed", filter }, options)) {
        const { type, id: cursor = "", operation, operation_id, problem } = message;
        if (message.resumed === false && began) yield { type: "reset", cursor };
        began = true;
        if (type === "removed" && operation_id) yield { type, operation_id, cursor };
        else if (operation) yield { type: "operation", operation, cursor };
        else if (problem) yield { type: "problem", problem, cursor };
      }
    },

    /** Starts an orchestration. Give `operation_id` or `idempotencyKey` if you may repeat it. */
    start(
      name: string,
      input?: unknown,
      { idempotencyKey, signal, ...options }: StartOptions = {},
    ): Promise<Started> {
      const headers = new Headers();
      if (idempotencyKey) headers.set("idempotency-key", idempotencyKey);
      const init = { headers, ...(signal && { signal }) };
      return post("api/operations", {}, { name, input, ...options }, init);
    },

    /** Starts the orchestration of the sample, where the server has it. */
    startSample(
      body: {
        readonly operation_id?: string;
        readonly processing_time?: number;
        readonly steps?: number;
      } = {},
    ): Promise<Started> {
      return post("api/start-operation", {}, body);
    },

    /** The present state. */
    get(
      operation_id: string,
      query: { readonly include?: "input" | "stack" | "input,stack" } = {},
    ): Promise<OperationDocument> {
      return get("api/operations", { operation_id, ...query });
    },

    /** Operations, newest first, page by page. */
    list(options: ListOptions = {}): Promise<OperationPage> {
      return get("api/operations", options);
    },

    /** The durable history at this moment. `after`: only the steps after this `seq`. */
    history(
      operation_id: string,
      query: { readonly after?: number; readonly include?: "payloads" } = {},
    ): Promise<History> {
      return get("api/history", { operation_id, ...query });
    },

    // The document is the present one: it may not show the effect yet.
    terminate: command<{ readonly reason?: string; readonly recursive?: boolean }>("terminate"),
    suspend: command<{ readonly reason?: string }>("suspend"),
    resume: command<{ readonly reason?: string }>("resume"),
    rewind: command<{ readonly reason?: string }>("rewind"),

    /** Runs a terminal operation again, or with `new_id` beside it. */
    restart(operation_id: string, body: { readonly new_id?: boolean } = {}): Promise<Started> {
      return post("api/restart", { operation_id }, body);
    },

    /** Sends an event to an orchestration that waits for it, now or later. */
    raiseEvent(
      operation_id: string,
      name: string,
      data: unknown = null,
    ): Promise<OperationDocument> {
      return post("api/events", { operation_id, name }, data);
    },

    /** Deletes a terminal operation and its history. */
    async purge(operation_id: string): Promise<void> {
      await http.request(http.urlOf("api/operations", { operation_id }), { method: "DELETE" });
    },

    /** Makes a token for those who cannot keep a secret, such as pages. */
    createStreamToken(
      options: StreamTokenOptions = {},
    ): Promise<{ readonly token: string; readonly expires_at: string }> {
      return post("api/stream-tokens", {}, options);
    },

    /** Who the server takes this client for. */
    caller(): Promise<Caller> {
      return get("api/caller", {});
    },
  };
}

function checkEnd(id: string, { type, reason }: Message): void {
  if (type !== "bye" || reason === "terminal") return;
  const [slug, detail] =
    reason === "gone"
      ? ["operation-gone", `Operation ${id} was purged`]
      : ["operation-not-found", `Operation ${id} not found`];
  const type_ = `urn:dts-push:problem:${slug}`;
  throw new ProblemError({
    type: type_,
    title: "Not Found",
    status: 404,
    detail,
    operation_id: id,
  });
}
