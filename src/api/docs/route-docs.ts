import { type TSchema, Type } from "typebox";
import type { ProblemSlug } from "../../problems.ts";
import { CURSOR_EXAMPLE } from "../schemas/positions.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What `/openapi.json` says about the route. Nothing else reads it: it never changes an answer. */
    readonly docs?: RouteDocs;
  }
}

/** What a route is and answers. Its parameters and its body are those of its schemas. */
export interface RouteDocs {
  /** Unique, in camel case: the method's name in generated clients. */
  readonly operationId: string;
  readonly tag: TagName;
  /** A few words, without a full stop. */
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  readonly requestHeaders?: readonly RequestHeaderName[];
  /** By status, without problems. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Problems beside those that follow from the route's schemas, method and scope. */
  readonly problems?: readonly ProblemSlug[];
}

/** One kind of answer, without a body unless it has `content`. */
export interface Answer {
  readonly description: string;
  readonly headers?: readonly AnswerHeaderName[];
  /** Headers that not every such answer has. */
  readonly optionalHeaders?: readonly AnswerHeaderName[];
  /** One of them, by what the client accepts. */
  readonly content?: readonly AnswerContent[];
}
type AnswerContent =
  | { readonly type: string; readonly schema: TSchema; readonly example: unknown }
  | "event-stream";

/** The groups of routes, in the order in which they are shown. */
export const TAGS = {
  operations: "One document for each orchestration of the task hub",
  control: "What changes the course of an operation, or removes it",
  streams: "Changes as they happen, as server-sent events or over a WebSocket",
  access: "Who the caller is, and tokens for pages",
  sample: "The orchestration of the sample",
  service: "For probes, scrapers and tools",
} as const;
export type TagName = keyof typeof TAGS;

/** Headers of requests that mean something to a route. */
export const REQUEST_HEADERS = {
  "If-None-Match": {
    description: "the last `ETag`: answered 304 while nothing changed",
    schema: Type.String({ examples: [`W/"${CURSOR_EXAMPLE}"`] }),
  },
  Prefer: {
    description:
      "`wait=<seconds>`, at most 60. Beside `If-None-Match`: answered at the next change; of a start: at " +
      "its end",
    schema: Type.String({ examples: ["wait=25"] }),
  },
  "Last-Event-ID": {
    description: "the last id that the stream has sent; takes precedence over `after`",
    schema: Type.String({ examples: [CURSOR_EXAMPLE] }),
  },
  "Idempotency-Key": {
    description:
      "a string of 1 to 255 printable characters, such as a UUID: repeated with the same body it starts " +
      "nothing again",
    schema: Type.String({ examples: ["8e03978e-40d5-43ed-bcfd-b93de5d7e1a2"] }),
  },
} as const;
export type RequestHeaderName = keyof typeof REQUEST_HEADERS;

/** Headers of answers that are part of the API. */
export const ANSWER_HEADERS = {
  ETag: {
    description: "the cursor of the document as a weak tag",
    required: true,
    schema: Type.String({ pattern: '^W/"[0-9a-z.]{1,64}"$', examples: [`W/"${CURSOR_EXAMPLE}"`] }),
  },
  "Retry-After": {
    description: "seconds after which a further request may find something new",
    required: false,
    schema: Type.String({ pattern: "^[1-9][0-9]*$", examples: ["1"] }),
  },
  "Preference-Applied": {
    description: "the server waits for such a request: the next one may follow at once",
    required: false,
    schema: Type.String({ pattern: "^wait=[0-9]+$", examples: ["wait=25"] }),
  },
  Location: {
    description: "where the operation is found, a path at this server",
    required: true,
    schema: Type.String({ pattern: "^/", examples: ["/api/operations/order-17"] }),
  },
  "Idempotency-Replayed": {
    description: "an earlier request with this key has started the operation",
    required: false,
    schema: Type.String({ enum: ["true"], examples: ["true"] }),
  },
  "X-Request-Id": {
    description: "the id of the request in the server's log: that of the request, or a new one",
    required: false,
    schema: Type.String({ pattern: "^[0-9A-Za-z_.:-]{1,64}$", examples: ["order-17-start"] }),
  },
  "WWW-Authenticate": {
    description: "what is missing, RFC 6750",
    required: false,
    schema: Type.String({ pattern: "^Bearer\\b", examples: ["Bearer"] }),
  },
} as const;
export type AnswerHeaderName = keyof typeof ANSWER_HEADERS;

/** An answer with a JSON body. The example is the schema's own. */
export function json(
  schema: TSchema,
  description: string,
  headers: readonly AnswerHeaderName[] = [],
): Answer {
  const [example] = (schema as { examples?: readonly unknown[] }).examples ?? [];
  return { description, headers, content: [{ type: "application/json", schema, example }] };
}

export function text(type: string, description: string, example: string): Answer {
  return { description, content: [{ type, schema: Type.String(), example }] };
}

export function empty(description: string, headers: readonly AnswerHeaderName[] = []): Answer {
  return { description, headers };
}

/** What a stream of server-sent events is answered with. */
export const STREAM_ANSWERS: RouteDocs["answers"] = {
  200: {
    description:
      "Server-sent events, until a `bye`. While the server drains or is at one of its limits, a " +
      "stream of `bye` alone.",
    content: ["event-stream"],
  },
  204: empty(
    "The client has everything: what it followed is terminal. An EventSource stops by this.",
  ),
};

/** The problems of routes that call the scheduler. */
export const SCHEDULER_PROBLEMS: readonly ProblemSlug[] = [
  "scheduler-unavailable",
  "scheduler-throttled",
  "scheduler-access-denied",
  "task-hub-not-found",
  "scheduler-rejected",
  "scheduler-unsupported",
];
