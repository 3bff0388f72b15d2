import type { Components } from "./components.ts";
import type { OpenApiContent, OpenApiHeader, OpenApiResponse } from "./openapi-types.ts";
import { ANSWER_HEADERS, type Answer, type AnswerHeaderName } from "./route-docs.ts";
import { streamItem } from "./stream-item.ts";

/** An answer that is no problem, as OpenAPI describes it. */
export function writeAnswer(
  { description, headers = [], optionalHeaders = [], content }: Answer,
  components: Components,
): OpenApiResponse {
  const optional = Object.entries(answerHeaders(optionalHeaders, components));
  const all = {
    ...answerHeaders([...headers, "X-Request-Id"], components),
    ...Object.fromEntries(optional.map(([name, header]) => [name, { ...header, required: false }])),
  };
  return {
    description,
    headers: all,
    ...(content && {
      content: Object.assign({}, ...content.map((each) => contentOf(each, components))),
    }),
  };
}

/** The headers of an answer. */
export function answerHeaders(
  names: readonly AnswerHeaderName[],
  components: Components,
): Record<string, OpenApiHeader> {
  const entries = names.map((name) => {
    const { schema, ...rest } = ANSWER_HEADERS[name];
    return [name, { ...rest, schema: components.use(schema) }];
  });
  return Object.fromEntries(entries);
}

function contentOf(
  content: NonNullable<Answer["content"]>[number],
  components: Components,
): OpenApiContent {
  if (content === "event-stream") return { "text/event-stream": streamItem(components) };
  const { type, schema, example } = content;
  return { [type]: { schema: components.use(schema), example } };
}
