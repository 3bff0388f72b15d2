import fc from "fast-check";
import { expect, test } from "vitest";
import { memberText } from "../../src/api/request/json-text.ts";

test("a member is found as it was written, whatever stands beside it", () => {
  const space = fc.constantFrom("", " ", "\n\t", "\r\n  ");
  fc.assert(
    fc.property(
      fc.json(),
      fc.dictionary(fc.string(), fc.jsonValue()),
      space,
      (value, others, gap) => {
        const members = Object.entries(others)
          .filter(([key]) => key !== "input")
          .map(
            ([key, other]) => `${JSON.stringify(key)}${gap}:${JSON.stringify(other, null, gap)}`,
          );
        for (let at = 0; at <= members.length; at += 1) {
          const all = members.toSpliced(at, 0, `"input"${gap}:${gap}${value}`);
          const json = `${gap}{${gap}${all.join(`${gap},${gap}`)}${gap}}${gap}`;
          JSON.parse(json);
          expect(memberText(json, "input")).toBe(value);
        }
        expect(memberText(`{${members.join()}}`, "input")).toBeUndefined();
      },
    ),
  );
});

test("numbers keep their digits, and of several members the last one counts", () => {
  const value = '{"a":[1.0,-0,1e400,12345678901234567890],"input":2}';
  expect(memberText(`{"input":1,"\\u0069nput" : ${value} }`, "input")).toBe(value);
  for (const token of ["0", "-1.50", "true", "false", "null", '"a\\"}{"', "[]", "{}", '"\\\\"']) {
    expect(memberText(`{"input":${token}}`, "input")).toBe(token);
    expect(memberText(`{"x":${token}, "input":${token} ,"y":${token}}`, "input")).toBe(token);
  }
});

test("a megabyte is no burden, however deep", () => {
  const deep = "[".repeat(500_000) + "]".repeat(500_000);
  expect(memberText(`{"input":${deep}}`, "input")).toBe(deep);
});
