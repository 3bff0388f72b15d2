import { expect, test } from "vitest";
import {
  Access,
  ForbiddenError,
  formatGrant,
  type Grant,
  parseGrant,
  SCOPES,
  unknownCaller,
  unrestricted,
} from "../src/access.ts";
import { OperationNotFoundError } from "../src/problems.ts";

/** A caller with these permissions, as credentials name them. */
function accessOf(...texts: string[]): Access {
  const grants = texts.flatMap((text) => parseGrant(text) ?? []);
  expect(grants).toHaveLength(texts.length);
  return new Access({ caller: "test", authentication: "key", grants });
}

test("a permission is a scope, or one narrowed to a prefix or an orchestration", () => {
  for (const text of [
    ...SCOPES,
    "operations:read:order-*",
    "operations:read:a b:c=d.*",
    "operations:read:**",
    "operations:control:*",
    "operations:start:order-*",
    "operations:start:name=ship_order",
  ]) {
    const grant = parseGrant(text);
    expect(grant && formatGrant(grant), text).toBe(text);
  }
  expect(parseGrant("operations:read:order-*")).toEqual({
    scope: "operations:read",
    prefix: "order-",
  });
  expect(parseGrant("operations:start:name=a*b")).toMatchObject({ name: "a*b" });
});

test("anything else is no permission, so that a narrowing that is not known never widens", () => {
  for (const text of [
    "",
    "operations",
    "operations:*",
    "operations:write",
    "Operations:Read",
    "operations:read:",
    "operations:read:order-",
    "operations:read:order-17",
    "operations:read:name=ship_order",
    "operations:start:name=",
    "operations:start:name=ship_*",
    "operations:start:name=*",
    "streams:token:order-*",
    "hints:send:order-*",
    "xoperations:read",
    " operations:read",
    "operations:read ",
  ]) {
    expect(parseGrant(text), text).toBeUndefined();
  }
});

test("reading is permitted for everything, a prefix or certain ids (ACCESS-3)", () => {
  expect(accessOf("operations:read").mayRead("x")).toBe(true);
  const narrow = accessOf("operations:read:order-*", "operations:read:ship-*");
  expect(narrow.mayRead("order-17")).toBe(true);
  expect(narrow.mayRead("ship-17")).toBe(true);
  expect(narrow.mayRead("Order-17")).toBe(false);
  expect(() => narrow.checkRead("invoice-1")).toThrow(OperationNotFoundError);
  const some = new Access({
    caller: "test",
    authentication: "stream-token",
    grants: [{ scope: "operations:read", ids: new Set(["a", "b"]) }],
  });
  expect(["a", "b", "c"].map((id) => some.mayRead(id))).toEqual([true, true, false]);
  expect(accessOf("operations:control").mayRead("x")).toBe(false);
});

test("all operations of a prefix may be read only by who may read a beginning of it", () => {
  const narrow = accessOf("operations:read:order-*");
  for (const prefix of ["order-", "order-17"]) expect(narrow.mayReadAll(prefix)).toBe(true);
  for (const prefix of ["", "order", "ship-"]) {
    expect(() => narrow.checkReadAll(prefix), prefix).toThrow(ForbiddenError);
  }
  expect(accessOf("operations:read").mayReadAll("")).toBe(true);
  const some = new Access({
    caller: "test",
    authentication: "stream-token",
    grants: [{ scope: "operations:read", ids: new Set(["order-1"]) }],
  });
  expect(some.mayReadAll("order-1")).toBe(false);
});

test("control of an operation that may only be read is forbidden, of others there is no such one", () => {
  const access = accessOf("operations:read:a*", "operations:control:ab*");
  expect(() => access.checkControl("abc")).not.toThrow();
  expect(() => access.checkControl("acc")).toThrow(ForbiddenError);
  expect(() => access.checkControl("b")).toThrow(OperationNotFoundError);
});

test("starts are permitted by orchestration and by prefix", () => {
  const access = accessOf("operations:start:name=ship", "operations:start:order-*");
  expect(() => access.checkStart("ship", "x")).not.toThrow();
  expect(() => access.checkStart("other", "order-1")).not.toThrow();
  expect(() => access.checkStart("other", "x")).toThrow(ForbiddenError);
});

test("an access ends at its time, or when it is revoked", () => {
  const access = new Access({
    caller: "test",
    authentication: "token",
    grants: [],
    expiresAtMs: 1000,
  });
  expect([999, 1000, 1001].map((nowMs) => access.hasEnded(nowMs))).toEqual([false, true, true]);
  const endless = unrestricted("test");
  expect(endless.hasEnded(Number.MAX_SAFE_INTEGER)).toBe(false);
  endless.revoke();
  expect(endless.hasEnded(0)).toBe(true);
});

test("without credentials everything is permitted, and an unknown caller may do nothing", () => {
  for (const scope of SCOPES) {
    expect(unrestricted("test").has(scope)).toBe(true);
    expect(unknownCaller("test").has(scope)).toBe(false);
  }
});

const start = (narrowed: Omit<Grant, "scope"> = {}): Grant => ({
  scope: "operations:start",
  ...narrowed,
});
const prefixOf = (...grants: Grant[]) =>
  new Access({ caller: "c", authentication: "key", grants }).startPrefix("ship_order");

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
  const shop = new Access({ caller: "key:shop", authentication: "key", grants: [] });
  expect(shop.keyOwner).toBe("key:shop");
  expect(unrestricted("10.0.0.1").keyOwner).toBe(unrestricted("::1").keyOwner);
});
