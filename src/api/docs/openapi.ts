import type { RouteOptions } from "fastify";
import type { ProblemSlug } from "../../problems.ts";
import { Problem } from "../schemas/problem.ts";
import { Components, type JsonSchema } from "./components.ts";
import { TITLE, VERSION } from "./info.ts";
import { problemAnswers, problemExamples, problemsOf } from "./problem-answers.ts";
import {
  ANSWER_HEADERS,
  type Answer,
  REQUEST_HEADERS,
  type RouteDocs,
  TAGS,
} from "./route-docs.ts";
import { streamItem } from "./stream-item.ts";

/** @see https://spec.openapis.org/oas/v3.2.0.html */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly examples: Readonly<Record<string, { readonly value: unknown }>>;
    readonly securitySchemes: object;
  };
}
export interface OpenApiOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly OpenApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: OpenApiContent };
  readonly responses: Readonly<Record<string, OpenApiResponse>>;
}
export interface OpenApiParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}
export interface OpenApiResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, OpenApiHeader>>;
  readonly content?: OpenApiContent;
}
export interface OpenApiHeader {
  readonly description: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
}
export type OpenApiContent = Readonly<
  Record<
    string,
    {
      readonly schema?: JsonSchema;
      readonly itemSchema?: JsonSchema;
      readonly example?: unknown;
      readonly examples?: Readonly<Record<string, unknown>>;
    }
  >
>;

const DESCRIPTION = `
Starts orchestrations of a Durable Task Scheduler task hub and pushes their status as it changes.

- Everything is JSON in snake_case; times are ISO 8601 UTC with milliseconds.
- Errors are problem documents (RFC 9457). The last part of \`type\` is a slug that never changes meaning.
- New keys, event types and problems may be added at any time: ignore those that you do not know.
- The WebSocket and the events of streams are described by [asyncapi.json](/asyncapi.json) as well.
`.trim();

/** Describes the `routes` that have docs. @throws Error where two of them contradict each other */
export function openApiDocument(routes: readonly RouteOptions[]): OpenApiDocument {
  const components = new Components();
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  const slugs = new Set<ProblemSlug>();
  for (const route of routes) {
    const { docs } = route.config ?? {};
    if (!docs) continue;
    const path = route.url.replaceAll(/:(\w+)/g, "{$1}");
    const problems = problemsOf(route, docs);
    for (const slug of problems) slugs.add(slug);
    paths[path] ??= {};
    for (const method of [route.method].flat()) {
      if (method === "HEAD") continue;
      paths[path][method.toLowerCase()] = operation(route, docs, problems, components);
    }
  }
  components.use(Problem);
  return {
    openapi: "3.2.0",
    info: { title: TITLE, version: VERSION, description: DESCRIPTION },
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components.schemas,
      examples: problemExamples(slugs),
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "Needed where this server has credentials configured",
        },
      },
    },
  };
}

function operation(
  { schema = {}, config }: RouteOptions,
  docs: RouteDocs,
  problems: readonly ProblemSlug[],
  components: Components,
): OpenApiOperation {
  const scope = config?.scope ?? "public";
  const { operationId, tag, summary, description } = docs;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: scope === "public" ? [] : [{ bearer: [scope] }],
    parameters: [
      ...parametersOf(schema.params, "path", components),
      ...parametersOf(schema.querystring, "query", components),
      ...headerParameters(docs, components),
    ],
    ...(schema.body !== undefined && {
      requestBody: {
        required: true,
        content: { "application/json": bodyOf(schema.body as object, components) },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(docs.answers).map(([status, answer]) => [
          status,
          response(answer, components),
        ]),
      ),
      ...problemAnswers(problems, components),
    },
  };
}

function parametersOf(
  schema: unknown,
  where: "path" | "query",
  components: Components,
): OpenApiParameter[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, JsonSchema & { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: required.includes(name),
    description: property.description ?? "",
    schema: components.use(repeatable(property)),
  }));
}

/** A parameter that may be repeated arrives as a string or an array; for a client it is an array. */
function repeatable(schema: JsonSchema): JsonSchema {
  const array = (schema.anyOf as JsonSchema[] | undefined)?.find(({ type }) => type === "array");
  return array ?? schema;
}

function headerParameters(
  { requestHeaders = [] }: RouteDocs,
  components: Components,
): OpenApiParameter[] {
  return requestHeaders.map((name) => {
    const { description, schema } = REQUEST_HEADERS[name];
    return {
      name,
      in: "header",
      required: false,
      description,
      schema: components.use(schema),
    };
  });
}

function bodyOf(schema: object, components: Components) {
  const [example] = (schema as { examples?: readonly unknown[] }).examples ?? [];
  return { schema: components.use(schema), example };
}

function response(
  { description, headers = [], content }: Answer,
  components: Components,
): OpenApiResponse {
  return {
    description,
    ...(headers.length > 0 && {
      headers: Object.fromEntries(
        headers.map((name) => {
          const { schema, ...rest } = ANSWER_HEADERS[name];
          return [name, { ...rest, schema: components.use(schema) }];
        }),
      ),
    }),
    ...(content && { content: contentOf(content, components) }),
  };
}

function contentOf(
  content: NonNullable<Answer["content"]>,
  components: Components,
): OpenApiContent {
  if (content === "event-stream") return { "text/event-stream": streamItem(components) };
  const { type, schema, example } = content;
  return { [type]: { schema: components.use(schema), example } };
}
