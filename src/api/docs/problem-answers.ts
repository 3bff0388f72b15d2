import type { RouteOptions } from "fastify";
import type { ProblemSlug } from "../../problems.ts";
import { PROBLEM_TYPE_BASE } from "../../problems.ts";
import { OPERATION_ID } from "../../streaming/operation/operation-id.ts";
import { Problem } from "../schemas/problem.ts";
import { exampleProblem, PROBLEM_TABLE } from "../schemas/problem-table.ts";
import { answerHeaders } from "./answers.ts";
import type { Components } from "./components.ts";
import type { OpenApiResponse, Reference } from "./openapi-types.ts";
import type { AnswerHeaderName, RouteDocs } from "./route-docs.ts";

/** What any request may be answered, before its route. */
const ANY: readonly ProblemSlug[] = [
  "invalid-request",
  "invalid-url",
  "bad-request",
  "request-timeout",
  "host-not-allowed",
  "headers-too-large",
  "internal",
];
const WITH_BODY: readonly ProblemSlug[] = [
  "invalid-body",
  "body-too-large",
  "unsupported-media-type",
];

/** Headers of problems, by status: what is missing, and when to repeat. */
const HEADERS: Readonly<Record<string, readonly AnswerHeaderName[]>> = {
  401: ["WWW-Authenticate"],
  403: ["WWW-Authenticate"],
  429: ["Retry-After"],
  502: ["Retry-After"],
  503: ["Retry-After"],
};

/** All problems of a route: its own, and those that follow from its schemas, method and scope. */
export function problemsOf(
  { method, schema = {}, config }: RouteOptions,
  { problems = [] }: RouteDocs,
): ProblemSlug[] {
  const all = new Set<ProblemSlug>([...ANY, ...problems]);
  const add = (...slugs: readonly ProblemSlug[]) => {
    for (const slug of slugs) all.add(slug);
  };
  if (schema.querystring !== undefined) add("invalid-query");
  const { params, querystring, body } = schema;
  if (JSON.stringify([params, querystring, body]).includes(JSON.stringify(OPERATION_ID.source))) {
    add("invalid-operation-id");
  }
  if (method !== "GET") add("origin-not-allowed", ...WITH_BODY);
  if (!config?.probe && !config?.stream) add("overloaded");
  if (config?.scope !== "public") {
    add("unauthenticated", "authentication-unavailable", "forbidden", "rate-limited");
  }
  return [...all];
}

/** Problems as answers of one document: each set of problems once, with an example of each. */
export class ProblemAnswers {
  readonly #components: Components;
  readonly #responses = new Map<
    string,
    { readonly name: string; readonly response: OpenApiResponse }
  >();

  constructor(components: Components) {
    this.#components = components;
  }

  /** By status, the answers of a route with these problems. */
  of(slugs: readonly ProblemSlug[]): Record<string, Reference> {
    const byStatus = Object.groupBy(slugs, (slug) => PROBLEM_TABLE[slug].status);
    return Object.fromEntries(
      Object.entries(byStatus).map(([status, group = []]) => [status, this.#use(status, group)]),
    );
  }

  /** All answers so far, by name. */
  get responses(): Readonly<Record<string, OpenApiResponse>> {
    const all = [...this.#responses.values()];
    return Object.fromEntries(all.map(({ name, response }) => [name, response]));
  }

  #use(status: string, group: readonly ProblemSlug[]): Reference {
    const key = [...group].sort().join(" ");
    let known = this.#responses.get(key);
    if (!known) {
      const number = this.#responses.size + 1;
      const name = group.length === 1 ? key : `problems-${status}-${number}`;
      known = { name, response: this.#write(status, group) };
      this.#responses.set(key, known);
    }
    return { $ref: `#/components/responses/${known.name}` };
  }

  #write(status: string, group: readonly ProblemSlug[]): OpenApiResponse {
    const { $ref } = this.#components.use(Problem);
    return {
      description: group.map((slug) => `\`${slug}\`: ${PROBLEM_TABLE[slug].meaning}`).join("\n\n"),
      headers: answerHeaders([...(HEADERS[status] ?? []), "X-Request-Id"], this.#components),
      content: {
        "application/problem+json": {
          schema: {
            $ref,
            properties: {
              type: { enum: group.map((slug) => PROBLEM_TYPE_BASE + slug) },
              status: { const: Number(status) },
            },
          },
          examples: Object.fromEntries(
            group.map((slug) => [slug, { $ref: `#/components/examples/${slug}` }]),
          ),
        },
      },
    };
  }
}

export function problemExamples(slugs: Iterable<ProblemSlug>) {
  const sorted = [...slugs].sort();
  return Object.fromEntries(sorted.map((slug) => [slug, { value: exampleProblem(slug) }]));
}
