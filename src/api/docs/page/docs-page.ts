import { PROBLEM_TABLE } from "../../schemas/problem-table.ts";
import type { AsyncApiDocument } from "../asyncapi-types.ts";
import type { OpenApiDocument } from "../openapi-types.ts";
import { type Html, html } from "./html.ts";
import { inline, markdown } from "./markdown.ts";
import { messagesHtml } from "./message-html.ts";
import { type NamedOperation, operationHtml, pathHtml } from "./operation-html.ts";
import { namedSchema, sentence } from "./schema-html.ts";

/** One part of the page, and what the table of contents shows of it. */
interface Part {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
  readonly entries: readonly { readonly id: string; readonly label: Html | string }[];
}

/** Both documents as one page without a script, which needs nothing but its own style sheets. */
export function docsPage(openapi: OpenApiDocument, asyncapi: AsyncApiDocument): string {
  const parts = [
    ...requestParts(openapi),
    messagePart(asyncapi, "events", "Events", "sendOperationEvents", EVENTS),
    messagePart(asyncapi, "client-messages", "WebSocket: client", "receiveMessages", CLIENT),
    messagePart(asyncapi, "server-messages", "WebSocket: server", "sendMessages", SERVER),
    schemaPart(openapi),
    problemPart(),
  ];
  const { title, version, description } = openapi.info;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}: API</title>
<link rel="icon" href="./favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="./base.css">
<link rel="stylesheet" href="./docs.css">
</head>
<body>
<header class="top"><div>
<h1><a href="./">${title}</a> <span>API ${version}</span></h1>
<p><a href="./openapi.json">openapi.json</a> <a href="./asyncapi.json">asyncapi.json</a></p>
</div></header>
<nav aria-label="Contents"><ul>${parts.map(contents)}</ul></nav>
<main>
<section class="intro">${markdown(description)}</section>
${parts.map(section)}
</main>
</body>
</html>
`.text;
}

const EVENTS =
  "What streams send as server-sent events. The event's name is the `type` in its `data`; its `id` is " +
  "what a client resumes with. Here is the `data`.";
const CLIENT = "What a client sends over a WebSocket: text frames, each one JSON object.";
const SERVER = "What the server sends over a WebSocket: text frames, each one JSON object.";

function contents({ id, title, entries }: Part): Html {
  return html`<li><a href="#${id}">${title}</a><ul>${entries.map(
    (entry) => html`<li><a href="#${entry.id}">${entry.label}</a></li>`,
  )}</ul></li>`;
}

function section({ id, title, content }: Part): Html {
  return html`<section id="${id}"><h2><a class="anchor" href="#${id}">${title}</a></h2>${content}</section>`;
}

function requestParts(openapi: OpenApiDocument): Part[] {
  const { tags, paths } = openapi;
  const all: NamedOperation[] = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return tags.map(({ name, description }) => {
    const own = all.filter(({ operation }) => operation.tags.includes(name));
    return {
      id: name,
      title: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      content: html`<p>${inline(sentence(description))}</p>${own.map((each) => operationHtml(openapi, each))}`,
      entries: own.map(({ path, method, operation }) => ({
        id: operation.operationId,
        label: html`<span class="method ${method}">${method.toUpperCase()}</span> <span>${pathHtml(path)}</span>`,
      })),
    };
  });
}

function messagePart(
  asyncapi: AsyncApiDocument,
  id: string,
  title: string,
  operation: string,
  introduction: string,
): Part {
  const { channel, messages = [] } = asyncapi.operations[operation] ?? {};
  const names = messages.map(({ $ref }) => $ref.slice($ref.lastIndexOf("/") + 1));
  const known = asyncapi.channels[channel?.$ref.split("/").at(-1) ?? ""]?.messages ?? {};
  return {
    id,
    title,
    content: html`<p>${inline(introduction)}</p>${messagesHtml(asyncapi, operation)}`,
    entries: names.map((name) => ({
      id: known[name]?.$ref.split("/").at(-1) ?? "",
      label: name,
    })),
  };
}

/** All named schemas but those of events, which have their own part. */
function schemaPart({ components }: OpenApiDocument): Part {
  const schemas = Object.entries(components.schemas).filter(([name]) => !name.endsWith("Event"));
  return {
    id: "schemas",
    title: "Schemas",
    content: html`${schemas.map(([name, schema]) => namedSchema(name, schema))}`,
    entries: schemas.map(([name]) => ({ id: name, label: name })),
  };
}

function problemPart(): Part {
  const rows = Object.entries(PROBLEM_TABLE).map(
    ([slug, { status, meaning, detail }]) => html`
<tr id="problem-${slug}"><th scope="row"><a class="anchor" href="#problem-${slug}"><code>${slug}</code></a></th>
<td class="status s${String(status).charAt(0)}">${status}</td>
<td><p>${inline(sentence(meaning))}</p><p class="quiet">${detail}</p></td></tr>`,
  );
  return {
    id: "problems",
    title: "Problems",
    content: html`<p>Errors are <a href="#Problem">problem documents</a>. The last part of the <code>type</code> is one of these.</p>
<table class="problems"><tbody>${rows}</tbody></table>`,
    entries: [],
  };
}
