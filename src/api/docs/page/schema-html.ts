import type { JsonSchema } from "../components.ts";
import { type Html, html } from "./html.ts";
import { inline, prettyJson } from "./markdown.ts";

/** The type of a value in a few words, with links to named schemas. */
export function typeOf(schema: JsonSchema): Html {
  const { $ref, anyOf, items, const: constant, type, patternProperties } = schema;
  const values = schema.enum as readonly unknown[] | undefined;
  if (typeof $ref === "string") {
    const name = nameOf($ref);
    return html`<a href="#${name}">${name}</a>`;
  }
  if (constant !== undefined) return html`<code>${JSON.stringify(constant)}</code>`;
  if (values) {
    return html`${values.map((value, at) => html`${at > 0 && " · "}<code>${String(value)}</code>`)}`;
  }
  if (Array.isArray(anyOf)) {
    return html`${anyOf.map((each: JsonSchema, at) => html`${at > 0 && " or "}${typeOf(each)}`)}`;
  }
  if (type === "array") return html`array of ${typeOf(items as JsonSchema)}`;
  if (patternProperties) return html`object of strings`;
  return html`${typeof type === "string" ? type : "any JSON"}${limitsOf(schema)}`;
}

function limitsOf({ minimum, maximum, default: preset }: JsonSchema): Html {
  const range =
    minimum !== undefined && maximum !== undefined
      ? `, ${minimum}–${maximum}`
      : minimum !== undefined && `, from ${minimum}`;
  return html`${range}${preset !== undefined && html`, default <code>${JSON.stringify(preset)}</code>`}`;
}

/** A property, a parameter or a header, as one row. */
export interface Row {
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
  readonly description: string;
  /** Where it is sent, of a parameter. */
  readonly where?: string;
}

/** A description that says no more than the type does. */
const VALUES_ONLY = /^("\w+"( or "\w+")*)?$/;

export function rowsTable(caption: string, rows: readonly Row[]): Html {
  if (rows.length === 0) return html``;
  return html`<table><caption>${caption}</caption><tbody>${rows.map(
    ({ name, required, schema, description, where }) => html`
<tr><th scope="row"><code>${name}</code>${required && html` <span class="required">required</span>`}</th>
<td><span class="type">${where && html`${where}, `}${typeOf(schema)}</span>${
      !VALUES_ONLY.test(description) && html` <span>${inline(description)}</span>`
    }</td></tr>`,
  )}</tbody></table>`;
}

/** The properties of an object, or the type of anything else. */
export function schemaTable(schema: JsonSchema): Html {
  const { properties, required = [] } = schema as {
    properties?: Readonly<Record<string, JsonSchema>>;
    required?: readonly string[];
  };
  if (schema.$ref || !properties) return html`<p class="type">${typeOf(schema)}</p>`;
  return rowsTable(
    "Keys",
    Object.entries(properties).map(([name, property]) => ({
      name,
      required: required.includes(name),
      schema: property,
      description: String(property.description ?? ""),
    })),
  );
}

/** A named schema in full. */
export function namedSchema(name: string, schema: JsonSchema): Html {
  const [example] = (schema.examples as readonly unknown[] | undefined) ?? [];
  const { description } = schema;
  return html`<article id="${name}" class="schema"><h3><a class="anchor" href="#${name}">${name}</a></h3>
${typeof description === "string" && html`<p>${inline(sentence(description))}</p>`}
${schemaTable(schema)}${example !== undefined && prettyJson(example)}</article>`;
}

/** Descriptions of schemas complete "must be …": here each is a sentence. */
export function sentence(text: string): string {
  if (text === "") return "";
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

export function nameOf($ref: string): string {
  return $ref.slice($ref.lastIndexOf("/") + 1);
}
