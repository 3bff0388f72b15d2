import type { RouteOptions } from "fastify";
import type { ProblemSlug } from "../../problems.ts";
import { PROBLEM_TYPE_BASE } from "../../problems.ts";
import { Problem } from "../schemas/problem.ts";
import { exampleProblem, PROBLEM_TABLE } from "../schemas/problem-table.ts";
import { answerHeaders } from "./answers.ts";
import type { Components } from "./components.ts";
import type { OpenApiResponse } from "./openapi-types.ts";
import type { RouteDocs } from "./route-docs.ts";

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

/** Statuses after which a request may be repeated, and which may say when. */
const LATER = new Set(["429", "502", "503"]);

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
  if (
    /"operation_id"|"id"/.test(JSON.stringify([schema.params, schema.querystring, schema.body]))
  ) {
    add("invalid-operation-id");
  }
  if (method !== "GET") add("origin-not-allowed", ...WITH_BODY);
  if (!config?.probe && !config?.stream) add("overloaded");
  if (config?.scope !== "public") {
    add("unauthenticated", "authentication-unavailable", "forbidden", "rate-limited");
  }
  return [...all];
}

/** Problems as answers by status, each with an example. */
export function problemAnswers(
  slugs: readonly ProblemSlug[],
  components: Components,
): Record<string, OpenApiResponse> {
  const byStatus = Object.groupBy(slugs, (slug) => PROBLEM_TABLE[slug].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, group = []]) => [
      status,
      {
        description: group
          .map((slug) => `\`${slug}\`: ${PROBLEM_TABLE[slug].meaning}`)
          .join("\n\n"),
        headers: answerHeaders(
          LATER.has(status) ? ["Retry-After", "X-Request-Id"] : ["X-Request-Id"],
          components,
        ),
        content: {
          "application/problem+json": {
            schema: {
              ...components.use(Problem),
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
      },
    ]),
  );
}

export function problemExamples(slugs: Iterable<ProblemSlug>) {
  const sorted = [...slugs].sort();
  return Object.fromEntries(sorted.map((slug) => [slug, { value: exampleProblem(slug) }]));
}
