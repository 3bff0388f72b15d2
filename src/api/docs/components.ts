/** A JSON Schema, or a part of one, as plain JSON. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * Named schemas of one document. A schema with a title becomes a component under its title, and a
 * reference wherever it is used.
 */
export class Components {
  readonly #schemas = new Map<string, JsonSchema>();

  /** The schema as it is written into the document. @throws Error where two schemas share a title */
  use(schema: object): JsonSchema {
    const { title } = schema as { title?: unknown };
    const written = this.#withReferences(schema) as JsonSchema;
    return typeof title === "string" ? this.add(title, written) : written;
  }

  /** Adds a schema that is written already, and returns the reference to it. */
  add(name: string, schema: JsonSchema): JsonSchema {
    const known = this.#schemas.get(name);
    if (known && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`Two different schemas have the title ${name}`);
    }
    this.#schemas.set(name, schema);
    return { $ref: `#/components/schemas/${name}` };
  }

  /** All schemas so far, by name. */
  get schemas(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A copy of the parts of a schema, references in place of those that have a title. */
  #withReferences(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#part(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [
        key,
        LITERAL_KEYWORDS.has(key) ? part : this.#part(part),
      ]),
    );
  }

  #part(part: unknown): unknown {
    const isSchema = typeof part === "object" && part !== null && !Array.isArray(part);
    return isSchema ? this.use(part) : this.#withReferences(part);
  }
}

/** Keywords whose values are data, and no schemas. */
const LITERAL_KEYWORDS = new Set(["const", "default", "enum", "examples", "required"]);
