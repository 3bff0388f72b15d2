import { checksOf } from "../check.ts";
import { expect, expectEqual, show } from "../expect.ts";
import { type Document, expectDocument, expectStates, isTerminal } from "../wire.ts";

const POST = "POST";
const PATH = "api/operations";
/** More than the body of any request may have. */
const TOO_MANY_CHARACTERS = 2 * 1024 * 1024;

/** PROTOCOL.md, section 3, Start. */
export const STARTS = checksOf("start", {
  "202 names the operation, which exists by then": async ({ server, operations }) => {
    const operation_id = operations.nextId();
    const json = operations.body({ operation_id, ...operations.putOff() });
    const { headers, body } = await server.expect(202, PATH, { method: POST, json });
    expectEqual("operation_id", body.operation_id, operation_id);
    const retryAfter = headers.get("retry-after") ?? "";
    expect(/^\d+$/.test(retryAfter), `Retry-After is ${show(retryAfter)}`);
    for (const url of [headers.get("location"), body.status_url]) {
      expect(typeof url === "string", `Location or status_url is ${show(url)}`);
      const status = await server.expect(200, url);
      expectDocument(status.body as Document, operation_id);
    }
    expect(typeof body.events_url === "string", `events_url is ${show(body.events_url)}`);
    const stream = await server.stream(body.events_url);
    const { operation } = await stream.next("a snapshot");
    expectDocument(operation, operation_id);
  },

  "an id that is in use is 409": async ({ server, operations: { quiet, name } }) => {
    const json = { name, operation_id: quiet.operation_id };
    await server.refused(409, "operation-exists", PATH, { method: POST, json });
  },

  "tags, version and start_at are in the document": async ({ server, operations }) => {
    const operation_id = operations.nextId();
    const { start_at } = operations.putOff();
    const json = operations.body({ operation_id, start_at, tags: { by: "conformance" } });
    await server.expect(202, PATH, { method: POST, json });
    const { body } = await server.expect(200, `${PATH}/${operation_id}`);
    expectEqual("tags", body.tags, { by: "conformance" });
    expectEqual("scheduled_at", body.scheduled_at, start_at);
  },

  "an Idempotency-Key starts one operation; with another body it is 422": async ({
    server,
    operations,
  }) => {
    const { start_at } = operations.putOff();
    const headers = { "idempotency-key": operations.prefix };
    const request = { method: POST, headers, json: operations.body({ start_at }) };
    const first = await server.expect(202, PATH, request);
    operations.adopt(String(first.body.operation_id));
    const second = await server.expect(202, PATH, request);
    expectEqual("operation_id of the repetition", second.body, first.body);
    expectEqual("Idempotency-Replayed", second.headers.get("idempotency-replayed"), "true");
    const other = { ...request, json: operations.body({ start_at, input: "another" }) };
    const { body } = await server.refused(422, "idempotency-key-reused", PATH, other);
    expectEqual("operation_id of the problem", body.operation_id, first.body.operation_id);
  },

  "Prefer: wait is answered with the terminal document": async ({ server, operations }) => {
    operations.requireWorker();
    const operation_id = operations.nextId();
    const json = operations.body({ operation_id });
    const request = { method: POST, headers: { prefer: "wait=60" }, json };
    const { headers, body } = await server.expect(200, PATH, request);
    expect(headers.has("preference-applied"), "Preference-Applied is missing");
    const document = expectDocument(body as Document, operation_id);
    expect(isTerminal(document), `the document is ${document.status}`);
  },

  "Accept: text/event-stream is answered with the stream": async ({ server, operations }) => {
    operations.requireWorker();
    const operation_id = operations.nextId();
    const stream = await server.stream(PATH, {
      method: POST,
      json: operations.body({ operation_id }),
    });
    expect(stream.headers.has("location"), "Location is missing");
    expectStates(await stream.untilBye("terminal"), operation_id);
  },

  "what is no start is 400 invalid-body": async ({ server, operations: { name } }) => {
    for (const json of [{}, { name, unknown: 1 }, { name: 1 }, [], { name, start_at: "soon" }]) {
      await server.refused(400, "invalid-body", PATH, { method: POST, json });
    }
    const headers = { "content-type": "application/json" };
    await server.refused(400, "invalid-body", PATH, { method: POST, headers, body: '{"name":' });
  },

  "another type than JSON is 415, and too much of it 413": async ({ server, operations }) => {
    const headers = { "content-type": "text/plain" };
    const text = { method: POST, headers, body: JSON.stringify(operations.body()) };
    await server.refused(415, "unsupported-media-type", PATH, text);
    const json = { name: operations.name, input: "x".repeat(TOO_MANY_CHARACTERS) };
    await server.refused(413, "body-too-large", PATH, { method: POST, json });
  },
});
