import fc from "fast-check";
import type { JsonSchema } from "../../../src/api/docs/components.ts";

/** Named schemas of one document. */
type Schemas = Readonly<Record<string, JsonSchema>>;

/** Longest text where the schema has no limit of its own. */
const MAX_LENGTH = 20;

const DATES = { min: new Date(Date.UTC(1900, 0)), max: new Date(Date.UTC(2100, 0)) };

/** Values as a schema describes them. Keywords beyond those that the documents use are not supported. */
export function valuesOf(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const { $ref, enum: values, const: constant, anyOf, type, examples } = schema;
  if (typeof $ref === "string") {
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    return valuesOf(schemas[name] ?? {}, schemas);
  }
  if (values) return fc.constantFrom(...(values as unknown[]));
  if (constant !== undefined) return fc.constant(constant);
  if (anyOf) return fc.oneof(...(anyOf as JsonSchema[]).map((each) => valuesOf(each, schemas)));
  switch (type) {
    case "string":
      return stringsOf(schema, (examples ?? []) as string[]);
    case "integer":
      return fc.integer({
        min: (schema.minimum as number) ?? -1000,
        max: (schema.maximum as number) ?? 1000,
      });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(valuesOf(schema.items as JsonSchema, schemas), {
        minLength: (schema.minItems as number) ?? 0,
        maxLength: 5,
      });
    case "object":
      return objectsOf(schema, schemas);
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

function objectsOf(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const {
    properties = {},
    required = [],
    patternProperties,
  } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
    patternProperties?: Record<string, JsonSchema>;
  };
  const [valueSchema] = Object.values(patternProperties ?? {});
  if (valueSchema) {
    return fc.dictionary(fc.stringMatching(/^\w{1,9}$/), valuesOf(valueSchema, schemas), {
      maxKeys: 4,
    });
  }
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, member] of Object.entries(properties))
    members[name] = valuesOf(member, schemas);
  return fc.record(members, { requiredKeys: required, noNullPrototype: true });
}

function stringsOf(
  { pattern, format, minLength = 0, maxLength = MAX_LENGTH }: JsonSchema,
  examples: readonly string[],
): fc.Arbitrary<string> {
  const any = fc.string({
    unit: "grapheme",
    minLength: minLength as number,
    maxLength: maxLength as number,
  });
  const known = examples.map((example) => fc.constant(example) as fc.Arbitrary<string>);
  if (format === "date-time")
    return fc.date({ ...DATES, noInvalidDate: true }).map((date): string => date.toISOString());
  if (typeof pattern !== "string") return fc.oneof(any, ...known);
  const matches = (text: string) => new RegExp(pattern, "u").test(text);
  // What fast-check cannot generate from is generated without, and filtered.
  if (pattern.includes("\\p{")) return fc.oneof(any.filter(matches), ...known);
  const simpler = new RegExp(pattern.replaceAll(/\(\?![^)]*\)/g, ""));
  return fc.oneof(fc.stringMatching(simpler).filter(matches), ...known);
}
