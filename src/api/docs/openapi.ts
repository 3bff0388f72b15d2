import type { FastifyContextConfig, RouteOptions } from "fastify";
import type { ProblemSlug } from "../../problems.ts";
import { Problem } from "../schemas/problem.ts";
import { writeAnswer } from "./answers.ts";
import { Components, type JsonSchema } from "./components.ts";
import { LICENSE, SECURITY_SCHEMES, TITLE, VERSION } from "./info.ts";
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter } from "./openapi-types.ts";
import { ProblemAnswers, problemExamples, problemsOf } from "./problem-answers.ts";
import { REQUEST_HEADERS, type RouteDocs, TAGS } from "./route-docs.ts";

const DESCRIPTION = `
Starts orchestrations of a Durable Task Scheduler task hub and pushes their status as it changes.

- Everything is JSON in snake_case; times are ISO 8601 UTC with milliseconds.
- Errors are problem documents (RFC 9457). The last part of \`type\` is a slug that never changes meaning.
- New keys, event types and problems may be added at any time: ignore those that you do not know.
- Every answer has an \`X-Request-Id\`, which the server's log has as well.
- The WebSocket and the events of streams are described by [asyncapi.json](./asyncapi.json) as well.
`.trim();

/** Describes the `routes` that have docs. @throws Error where two of them contradict each other */
export function openApiDocument(routes: readonly RouteOptions[]): OpenApiDocument {
  const components = new Components();
  const answers = new ProblemAnswers(components);
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
      paths[path][method.toLowerCase()] = operation(route, docs, answers.of(problems), components);
    }
  }
  components.use(Problem);
  return {
    openapi: "3.2.0",
    info: {
      title: TITLE,
      version: VERSION,
      description: DESCRIPTION,
      license: { name: LICENSE, identifier: LICENSE },
    },
    servers: [{ url: "/", description: "The server that serves this document" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components.schemas,
      responses: answers.responses,
      examples: problemExamples(slugs),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function operation(
  { schema = {}, config }: RouteOptions,
  docs: RouteDocs,
  problems: OpenApiOperation["responses"],
  components: Components,
): OpenApiOperation {
  const { operationId, tag, summary, description } = docs;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: securityOf(config),
    parameters: [
      ...parametersOf(schema.params, "path", components),
      ...parametersOf(schema.querystring, "query", components),
      ...headerParameters(docs, components),
    ],
    ...(schema.body !== undefined && {
      requestBody: {
        required: config?.bodyOptional !== true,
        content: { "application/json": bodyOf(schema.body as JsonSchema, components) },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(docs.answers).map(([status, answer]) => [
          status,
          writeAnswer(answer, components),
        ]),
      ),
      ...problems,
    },
  };
}

/** Each by itself is enough. */
function securityOf({
  scope = "public",
  stream,
}: FastifyContextConfig = {}): OpenApiOperation["security"] {
  if (scope === "public") return [];
  const scopes = scope === "authenticated" ? [] : [scope];
  return [{ bearer: scopes }, ...(stream ? [{ streamToken: scopes }] : [])];
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

/** A member with a default is filled in before a body is validated: a client may leave it out. */
function bodyOf(schema: JsonSchema, components: Components) {
  const { properties, required, examples } = schema as {
    properties?: Readonly<Record<string, JsonSchema>>;
    required?: readonly string[];
    examples?: readonly unknown[];
  };
  const needed = required?.filter((name) => properties?.[name]?.default === undefined);
  const written = needed ? { ...schema, required: needed } : schema;
  return { schema: components.use(written), example: examples?.[0] };
}
