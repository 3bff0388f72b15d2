import { setTimeout as delay } from "node:timers/promises";
import { checksOf } from "../check.ts";
import { expect, expectEqual } from "../expect.ts";
import type { Query, Server } from "../server.ts";
import type { Document } from "../wire.ts";

const READ_EVERY_MS = 100;

/** PROTOCOL.md, section 3, List. Queries of a scheduler may lag, so these wait until a list is as expected. */
export const LISTS = checksOf("list", {
  "pages have every operation once, the newest first": async ({ server, operations }) => {
    const prefix = `${operations.nextId()}-`;
    const ids = [1, 2, 3].map((each) => `${prefix}${each}`);
    for (const operation_id of ids) {
      operations.adopt(operation_id);
      const json = operations.body({ operation_id, ...operations.putOff() });
      await server.expect(202, "api/operations", { method: "POST", json });
    }
    await listed(server, { prefix, limit: 2 }, "all of them, newest first", (rows) => {
      const created = rows.map(({ created_at }) => created_at);
      const found = rows.map(({ operation_id }) => operation_id).sort();
      return (
        String(found) === String(ids) && String(created) === String(created.toSorted().reverse())
      );
    });
  },

  "rows have a result only with include=result": async ({ server, operations: { terminated } }) => {
    const prefix = terminated.operation_id;
    const has = (id: string) => (rows: readonly Document[]) =>
      rows.some(({ operation_id, status }) => operation_id === id && status === "TERMINATED");
    const find = (rows: readonly Document[]) => rows.find((row) => row.operation_id === prefix);
    const plain = find(await listed(server, { prefix }, "the operation", has(prefix)));
    expect(plain && !("result" in plain) && !("input" in plain), "a row has a result or an input");
    const query = { prefix, include: "result" };
    const full = find(await listed(server, query, "the operation", has(prefix)));
    expectEqual("result", full?.result, terminated.result);
  },

  "status, name and tag filter": async ({ server, operations: { ended, quiet, prefix, name } }) => {
    const is = (document: Document) => (rows: readonly Document[]) =>
      rows.some(({ operation_id }) => operation_id === document.operation_id) &&
      rows.every(({ status }) => status === document.status);
    for (const document of [ended, quiet]) {
      const query = { prefix, name, status: document.status };
      await listed(server, query, `operations that are ${document.status}`, is(document));
    }
    for (const query of [{ tag: "by:nobody" }, { name: `${prefix}none` }]) {
      const rows = await pages(server, { prefix, ...query });
      expectEqual("rows that do not match", rows.length, 0);
    }
  },

  "parameters that are unknown, repeated or not possible are 400": async ({ server }) => {
    const queries: Query[] = [
      { unknown: "1" },
      { limit: "0" },
      { limit: ["1", "2"] },
      { status: "Running" },
      { created_after: "yesterday" },
      { page_token: "none" },
      { prefix: "a", operation_id: "b" },
    ];
    for (const query of queries) {
      await server.refused(400, "invalid-query", "api/operations", { query });
    }
  },
});

/** Lists again until the rows are as expected. */
async function listed(
  server: Server,
  query: Query,
  what: string,
  isExpected: (rows: readonly Document[]) => boolean,
): Promise<readonly Document[]> {
  for (;;) {
    const rows = await pages(server, query);
    if (isExpected(rows)) return rows;
    server.waitingFor = `a list of ${what}`;
    await delay(READ_EVERY_MS, undefined, { signal: server.signal }).catch(() => undefined);
    server.signal.throwIfAborted();
  }
}

async function pages(server: Server, query: Query): Promise<readonly Document[]> {
  const rows: Document[] = [];
  let page_token: unknown;
  do {
    const more = typeof page_token === "string" ? { page_token } : {};
    const { body } = await server.expect(200, "api/operations", { query: { ...query, ...more } });
    expect(Array.isArray(body.operations), "there is no list of operations");
    if (query.limit) expect(body.operations.length <= Number(query.limit), "a page exceeds limit");
    rows.push(...body.operations);
    page_token = body.next_page_token;
  } while (page_token !== undefined);
  return rows;
}
