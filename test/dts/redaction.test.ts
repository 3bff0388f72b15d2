import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRedactedPaths } from "../../src/dts/redaction/paths.ts";
import { Redaction } from "../../src/dts/redaction/redaction.ts";
import { instance } from "../helpers/scheduler/instance.ts";

/** A custom status as it is shown. */
function shown(paths: string, customStatus: string): string | undefined {
  const redaction = new Redaction(parseRedactedPaths(paths));
  return redaction.instance(instance({ customStatus })).customStatus;
}

const masked = (paths: string, value: unknown) =>
  JSON.parse(shown(paths, JSON.stringify(value)) ?? "");

const X = "[REDACTED]";

test("names, quoted names, indexes, wildcards and descendants select as in RFC 9535", () => {
  const value = {
    user: { email: "e", name: "n", "pass word": "p" },
    cards: [{ number: "1", cvc: "2" }, { number: "3" }],
    deep: { password: "a", more: [{ password: { b: 1 } }, "x"] },
  };
  const { user, cards, deep } = value;
  for (const [paths, expected] of [
    ["$.custom_status.user.email", { ...value, user: { ...user, email: X } }],
    ["$['custom_status'][\"user\"]['pass word']", { ...value, user: { ...user, "pass word": X } }],
    ["$.custom_status.user.*", { ...value, user: { email: X, name: X, "pass word": X } }],
    [
      "$.custom_status.cards[*].number",
      { ...value, cards: [{ number: X, cvc: "2" }, { number: X }] },
    ],
    ["$.custom_status.cards[1]", { ...value, cards: [cards[0], X] }],
    ["$.custom_status.cards.0", "not a path"],
    ["$.custom_status.user[0]", value],
    ["$.custom_status.cards['0']", value],
    ["$..password", { ...value, deep: { password: X, more: [{ password: X }, "x"] } }],
    [
      "$.custom_status..[1]",
      { ...value, cards: [cards[0], X], deep: { ...deep, more: [{ password: { b: 1 } }, X] } },
    ],
    ["$.custom_status.deep..*", { ...value, deep: { password: X, more: X } }],
    [
      "$.custom_status..more..password",
      { ...value, deep: { ...deep, more: [{ password: X }, "x"] } },
    ],
    ["$.custom_status", X],
    ["$.*", X],
    ["$.custom_status.nowhere, $.input.user", value],
    [
      "$.custom_status.user.email , $.custom_status.cards",
      { ...value, user: { ...user, email: X }, cards: X },
    ],
  ] as const) {
    if (expected === "not a path") expect(() => parseRedactedPaths(paths)).toThrow(/is not a path/);
    else expect(masked(paths, value), paths).toEqual(expected);
  }
});

test("names may have any characters", () => {
  const value = { 'a"b': 1, "c'd": 2, "e\\f": 3, "g,$.h": 4, ä: 5, "user-id": 6, __proto__: 7 };
  Object.defineProperty(value, "__proto__", { value: "secret", enumerable: true });
  const paths = [
    `$.custom_status['a"b']`,
    `$.custom_status['c\\'d']`,
    `$.custom_status["e\\\\f"]`,
    `$.custom_status['g,$.h']`,
    "$.custom_status.ä",
    "$.custom_status['user-id']",
    "$.custom_status.__proto__",
  ].join(",");
  const text = shown(paths, JSON.stringify(value)) ?? "";
  expect(text.split(X).length - 1).toBe(7);
  expect(text).not.toContain("secret");
});

test("what is not masked stays as it is, to the digit and the space (REDACT-2)", () => {
  const text = '{ "big": 12345678901234567890.10,\n "e": 1E400, "zero": -0, "secret": 9.90 }';
  expect(shown("$..secret", text)).toBe(
    '{ "big": 12345678901234567890.10,\n "e": 1E400, "zero": -0, "secret": "[REDACTED]" }',
  );
  expect(shown("$..other", text)).toBe(text);
});

test("a member that is there twice, or whose name has escapes, is masked", () => {
  expect(shown("$..pin", '{"pin":1,"pin":2}')).toBe('{"pin":"[REDACTED]","pin":"[REDACTED]"}');
  expect(shown("$..pin", '{"p\\u0069n":"1234"}')).toBe('{"p\\u0069n":"[REDACTED]"}');
});

test("what cannot be searched is masked whole, if any path leads into it (REDACT-1)", () => {
  const depth = 200_000;
  for (const text of ["no JSON", '{"pin":', `${"[".repeat(depth)}${"]".repeat(depth)}`]) {
    expect(shown("$.custom_status.pin", text), text.slice(0, 9)).toBe('"[REDACTED]"');
    expect(shown("$.input.pin", text), text.slice(0, 9)).toBe(text);
  }
  expect(shown("$.custom_status.pin", '"text"')).toBe('"text"');
  expect(shown("$.custom_status.pin", "17")).toBe("17");
});

test("each path is about its own part of an operation", () => {
  const redaction = new Redaction(parseRedactedPaths("$.input.a, $.result.b, $.custom_status.c"));
  const json = '{"a":1,"b":2,"c":3}';
  const found = redaction.instance({
    ...instance({ customStatus: json, output: json }),
    input: json,
  });
  expect(found).toMatchObject({
    customStatus: '{"a":1,"b":2,"c":"[REDACTED]"}',
    input: '{"a":"[REDACTED]","b":2,"c":3}',
    output: '{"a":1,"b":"[REDACTED]","c":3}',
  });
  const none = { customStatus: undefined, input: undefined, output: undefined };
  expect(redaction.instance(instance())).toMatchObject(none);
});

test("in steps every path is looked for at any depth (REDACT-3)", () => {
  const ofStep = (paths: string, input: string) =>
    new Redaction(parseRedactedPaths(paths)).entry({ input } as never).input;
  const json = '{"x":[{"user":{"email":1,"b":2}}],"a":3}';
  expect(ofStep("$.custom_status.user.email, $.result.a", json)).toBe(
    '{"x":[{"user":{"email":"[REDACTED]","b":2}}],"a":"[REDACTED]"}',
  );
  expect(ofStep("$.input", json)).toBe('"[REDACTED]"');
  expect(ofStep("$.input.a", "no JSON")).toBe('"[REDACTED]"');
});

test("masks are those of a plain walk, for any JSON", () => {
  const keys = fc.constantFrom("k", "a", "0", "é", 'k"', "__proto__");
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(1, -0.5, "k", "", true, null, '"k":'),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.array(fc.tuple(keys, tie("tree")), { maxLength: 4 }).map(Object.fromEntries),
    ),
  }));
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) => [key, key === "k" ? X : walk(child)]),
    );
  };
  fc.assert(
    fc.property(tree, fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(shown("$.custom_status..k", text)).toBe(JSON.stringify(walk(value), null, indent));
      expect(shown("$.custom_status..nowhere", text)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test("a path that is none is named", () => {
  for (const [text, message] of [
    ["input.password", /^"input\.password" is not a path such as/],
    ["$", /^"\$" is not a path/],
    ["$.input.ok, $.input[?@.x]", /^"\$\.input\[\?@\.x\]" is not a path/],
    ["$.input[-1]", /is not a path/],
    ["$.input[1:2]", /is not a path/],
    ["$.input['a','b']", /is not a path/],
    ["$.input['a]", /is not a path/],
    ["$.input['\\x']", /is not a path/],
    ["$.input.user-id", /^"\$\.input\.user-id" is not a path/],
    ["$input", /is not a path/],
    ["$.input..", /is not a path/],
    ["$.input.[0]", /is not a path/],
    ["$.input.a $.input.b", /is not a path/],
    ["$.status", /^"\$\.status" is about none of \$\.custom_status, \$\.input, \$\.result$/],
    ["$[0]", /is about none of/],
  ] as const) {
    expect(() => parseRedactedPaths(text), text).toThrow(message);
  }
});
