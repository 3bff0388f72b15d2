import {
  type OpenApiContent,
  type OpenApiDocument,
  type OpenApiOperation,
  type OpenApiResponse,
  resolveAnswer,
} from "../openapi-types.ts";
import { type Html, html } from "./html.ts";
import { inline, markdown, prettyJson } from "./markdown.ts";
import { rowsTable, schemaTable, typeOf } from "./schema-html.ts";

/** A request, and how it is named. */
export interface NamedOperation {
  readonly path: string;
  readonly method: string;
  readonly operation: OpenApiOperation;
}

/** One request in full: its parameters, its body and its answers. */
export function operationHtml(
  document: OpenApiDocument,
  { path, method, operation }: NamedOperation,
): Html {
  const { operationId, summary, description = "", parameters, requestBody, security } = operation;
  const scope = security[0]?.bearer;
  return html`<article id="${operationId}" class="operation">
<h3><a class="anchor" href="#${operationId}"><span class="method ${method}">${method.toUpperCase()}</span> <code>${pathHtml(path)}</code></a></h3>
<p class="summary">${summary}</p>
${description !== "" && markdown(description)}
<p class="scope">${scope ? html`Needs ${scope.length > 0 ? html`the scope <code>${scope.join(" ")}</code>` : "a credential"}` : "Needs no credential"}</p>
<pre class="curl"><code>${curl(path, method, operation)}</code></pre>
${rowsTable(
  "Parameters",
  parameters.map((parameter) => ({ ...parameter, where: parameter.in })),
)}
${requestBody && html`<h4>Body</h4>${mediaHtml(requestBody.content)}`}
<h4>Answers</h4>
<dl class="answers">${answersHtml(document, operation)}</dl>
</article>`;
}

/** Its variable parts are marked, and it may be broken before each slash. */
export function pathHtml(path: string): Html[] {
  return path
    .split(/(?=\/)|(\{\w+\})/)
    .filter((part) => part !== undefined)
    .map((part) => (part.startsWith("{") ? html`<var>${part}</var>` : html`<wbr>${part}`));
}

function answersHtml(document: OpenApiDocument, { responses }: OpenApiOperation): Html[] {
  return Object.entries(responses).map(([status, written]) => {
    const response = resolveAnswer(document, written);
    const slugs = Object.keys(response?.content?.["application/problem+json"]?.examples ?? {});
    const body = slugs.length > 0 ? problemLinks(slugs) : response && answerHtml(response);
    return html`<dt class="status s${status.charAt(0)}">${status}</dt><dd>${body}</dd>`;
  });
}

function answerHtml({ description, headers = {}, content }: OpenApiResponse): Html {
  // Every answer has it, as the introduction says.
  const { "X-Request-Id": _, ...own } = headers;
  return html`<p>${inline(description)}</p>${rowsTable(
    "Headers",
    Object.entries(own).map(([name, header]) => ({ name, ...header, required: false })),
  )}${content && mediaHtml(content)}`;
}

function problemLinks(slugs: readonly string[]): Html {
  return html`<ul class="slugs">${slugs.map(
    (slug) => html`<li><a href="#problem-${slug}">${slug}</a></li>`,
  )}</ul>`;
}

function mediaHtml(content: OpenApiContent): Html[] {
  return Object.entries(content).map(([type, { schema, itemSchema, example, examples }]) => {
    const isText = typeof example === "string";
    const { serializedValue } = (examples?.stream ?? {}) as { serializedValue?: string };
    return html`<p class="media"><code>${type}</code> ${
      itemSchema ? html`<a href="#events">events</a>` : schema?.$ref ? typeOf(schema) : undefined
    }</p>${schema && !schema.$ref && !isText && schemaTable(schema)}${
      isText && html`<pre><code>${example}</code></pre>`
    }${example !== undefined && !isText && prettyJson(example)}${
      serializedValue !== undefined && html`<pre><code>${serializedValue.trim()}</code></pre>`
    }`;
  });
}

/** A command that sends such a request to a server on this machine. */
function curl(
  path: string,
  method: string,
  { parameters, tags, requestBody }: OpenApiOperation,
): string {
  const options: string[] = [];
  if (method !== "get") options.push(`-X ${method.toUpperCase()}`);
  else if (tags.includes("streams")) options.push("-N");
  const required = parameters.filter((each) => each.required && each.in === "query");
  const query = required.map(({ name }) => `${name}=order-17`).join("&");
  const url = `localhost:8000${path.replaceAll(/\{\w+\}/g, "order-17")}${query && `?${query}`}`;
  options.push(query ? `"${url}"` : url);
  const [body] = Object.values(requestBody?.content ?? {});
  if (body?.example !== undefined) {
    options.push(`\\\n  -H 'content-type: application/json' -d '${JSON.stringify(body.example)}'`);
  }
  return `curl ${options.join(" ")}`;
}
