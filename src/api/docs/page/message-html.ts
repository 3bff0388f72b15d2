import type { AsyncApiDocument, AsyncApiMessage } from "../asyncapi-types.ts";
import type { JsonSchema } from "../components.ts";
import { type Html, html } from "./html.ts";
import { inline, prettyJson } from "./markdown.ts";
import { nameOf, schemaTable, sentence } from "./schema-html.ts";

/** The messages of one of AsyncAPI's operations, in full. */
export function messagesHtml(
  { channels, operations, components }: AsyncApiDocument,
  operation: keyof AsyncApiDocument["operations"],
): Html[] {
  const { messages = [] } = operations[operation] ?? {};
  return messages.map(({ $ref }) => {
    const [, , channel = "", , name = ""] = $ref.split("/");
    const message = components.messages[nameOf(channels[channel]?.messages[name]?.$ref ?? "")];
    return html`${message && messageHtml(message, components.schemas)}`;
  });
}

function messageHtml(
  { name, title, summary, payload, examples }: AsyncApiMessage,
  schemas: Readonly<Record<string, JsonSchema>>,
): Html {
  const schema = schemas[nameOf(String(payload.$ref))] ?? payload;
  return html`<article id="${title}" class="message">
<h3><a class="anchor" href="#${title}"><code>${name}</code></a></h3>
<p>${inline(sentence(summary))}</p>
${schemaTable(schema)}${examples.map(({ payload: example }) => prettyJson(example))}
</article>`;
}
