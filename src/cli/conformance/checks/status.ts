import { checksOf } from "../check.ts";
import { expect, expectEqual, show } from "../expect.ts";
import { stateOf } from "../test-operations.ts";
import { type Document, expectDocument, isTerminal } from "../wire.ts";

/** Longer than a check may take, so that an answer which comes at its end comes too late. */
const LONG_WAIT = "wait=60";

/** PROTOCOL.md, sections 1 to 3: the document, its cursor, and the status request. */
export const STATUS = checksOf("status", {
  "an active and a terminal document have the keys of section 1": async ({
    server,
    operations,
  }) => {
    for (const { operation_id } of [operations.quiet, operations.ended]) {
      const document = await stateOf(server, operation_id);
      expectDocument(document, operation_id);
      expect(!("input" in document), "the input is there without include=input");
    }
  },

  "include=input adds the input": async ({ server, operations }) => {
    const query = { include: "input" };
    const { body } = await server.expect(200, pathOf(operations.ended.operation_id), { query });
    expectEqual("input", body.input, operations.input);
  },

  "the id may stand in the query": async ({ server, operations: { ended } }) => {
    const query = { operation_id: ended.operation_id };
    const { body } = await server.expect(200, "api/operations", { query });
    expectEqual("the document", body, ended);
  },

  "one state has one cursor in documents, ETags, streams and histories (C1)": async ({
    server,
    operations: { ended },
  }) => {
    const { operation_id, cursor } = ended;
    const { headers, body } = await server.expect(200, pathOf(operation_id));
    expectEqual("cursor of the document", body.cursor, cursor);
    expectEqual("ETag", headers.get("etag"), `W/"${cursor}"`);
    const stream = await server.stream(`${pathOf(operation_id)}/events`);
    for (const { id } of await stream.untilBye("terminal")) expectEqual("SSE id", id, cursor);
    const socket = await server.socket({ operation_id });
    const frames = await socket.untilUnsubscribed("1", "terminal");
    const [state] = frames.flatMap(({ operation }) => operation ?? []);
    expectEqual("cursor on the WebSocket", state?.cursor, cursor);
  },

  "If-None-Match with the last ETag is 304, with another one 200": async ({
    server,
    operations: { ended },
  }) => {
    const path = pathOf(ended.operation_id);
    const match = (tag: string) => ({ headers: { "if-none-match": tag } });
    await server.expect(304, path, match(`W/"${ended.cursor}"`));
    await server.expect(200, path, match('W/"another"'));
  },

  "Retry-After has whole seconds while the operation is active": async ({
    server,
    operations: { quiet },
  }) => {
    const { headers } = await server.expect(200, pathOf(quiet.operation_id));
    const seconds = headers.get("retry-after") ?? "";
    expect(/^\d+$/.test(seconds), `Retry-After is ${show(seconds)}`);
  },
});

/** PROTOCOL.md, section 3, Long-poll. */
export const LONG_POLL = checksOf("long-poll", {
  "without a tag it is answered at once": async ({ server, operations: { quiet } }) => {
    await server.expect(200, pathOf(quiet.operation_id), { headers: { prefer: LONG_WAIT } });
  },

  "a wait follows an operation to its end, each state once": async ({ server, operations }) => {
    const id = await operations.startLive(server);
    let tag: string | undefined;
    for (;;) {
      const headers = { prefer: LONG_WAIT, ...(tag !== undefined && { "if-none-match": tag }) };
      const answer = await server.expect(200, pathOf(id), { headers });
      const document = expectDocument(answer.body as Document, id);
      expect(answer.headers.get("etag") !== tag, "one state came twice in a row (C2)");
      tag = `W/"${document.cursor}"`;
      expectEqual("ETag", answer.headers.get("etag"), tag);
      if (isTerminal(document)) return;
    }
  },

  "304 comes when the time is up": async ({ server, operations: { quiet } }) => {
    const headers = { prefer: "wait=1", "if-none-match": `W/"${quiet.cursor}"` };
    const answer = await server.expect(304, pathOf(quiet.operation_id), { headers });
    expect(answer.headers.has("preference-applied"), "Preference-Applied is missing");
    expect(answer.headers.has("etag"), "ETag is missing");
  },

  "a terminal state that the client has is 304 at once": async ({ server, operations }) => {
    const { operation_id, cursor } = operations.ended;
    const headers = { prefer: LONG_WAIT, "if-none-match": `W/"${cursor}"` };
    await server.expect(304, pathOf(operation_id), { headers });
  },
});

function pathOf(id: string): string {
  return `api/operations/${id}`;
}
