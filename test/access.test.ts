import { expect, test } from "vitest";
import { Access, type Grant, unrestricted, withoutCredential } from "../src/access.ts";

const start = (narrowed: Omit<Grant, "scope"> = {}): Grant => ({
  scope: "operations:start",
  ...narrowed,
});
const prefixOf = (...grants: Grant[]) =>
  new Access({ caller: "c", grants }).startPrefix("ship_order");

test("a generated id begins as the caller's grants want it, whatever their order", () => {
  expect(unrestricted("c").startPrefix("ship_order")).toBe("");
  expect(prefixOf(start({ prefix: "b-" }), start({ prefix: "a-" }))).toBe("a-");
  expect(prefixOf(start({ prefix: "a-" }), start({ prefix: "b-" }))).toBe("a-");
  expect(prefixOf(start({ prefix: "a-" }), start())).toBe("");
  expect(prefixOf(start({ prefix: "a-", name: "other" }), start({ prefix: "b-" }))).toBe("b-");
});

test("without a grant for ids that it does not choose, a caller gets none generated", () => {
  const forbidden = expect.objectContaining({ slug: "forbidden", status: 403 });
  for (const grants of [
    [],
    [start({ name: "other" })],
    [start({ ids: new Set(["a"]) })],
    [start({ prefix: "x".repeat(65) })],
    [{ scope: "operations:control" } as const],
  ]) {
    expect(() => prefixOf(...grants)).toThrow(forbidden);
  }
});

test("idempotency keys belong to a credential, or to all who have none", () => {
  expect(new Access({ caller: "shop", grants: [] }).keyOwner).toBe("shop");
  expect(withoutCredential("10.0.0.1").keyOwner).toBe(withoutCredential("::1").keyOwner);
});
