import { expect, test } from "vitest";
import { roleOf } from "../../src/cli/roles.ts";

test("a role has its own name, and all of them are also called start", () => {
  for (const role of ["all", "api", "worker", "scheduler"]) expect(roleOf(role)).toBe(role);
  expect(roleOf("start")).toBe("all");
});

test("anything else is no role", () => {
  for (const word of ["server", "--port=1", "", "API", "watch", "constructor"]) {
    expect(roleOf(word), word).toBeUndefined();
  }
});
