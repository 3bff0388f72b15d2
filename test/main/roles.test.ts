import { expect, test } from "vitest";
import { parseRole, UsageError } from "../../src/roles.ts";

test("a process runs one role, or all where none is named", () => {
  expect(parseRole([])).toBe("all");
  for (const role of ["all", "api", "worker", "scheduler"]) expect(parseRole([role])).toBe(role);
});

test("--help is recognised in any place", () => {
  for (const args of [["--help"], ["-h"], ["api", "--help"]]) expect(parseRole(args)).toBe("help");
});

test("anything else is refused", () => {
  for (const args of [["server"], ["all", "api"], ["--port=1"], [""], ["API"]]) {
    expect(() => parseRole(args), args.join(" ")).toThrow(UsageError);
  }
});
