import { expect, test } from "vitest";
import { DOCUMENT_EXAMPLE } from "../../src/api/schemas/operation-document.ts";
import {
  checkBody,
  checkEvent,
  checkHead,
  checkMessage,
  type ReceivedAnswer,
} from "../helpers/contract/contract.ts";
import { violations } from "../helpers/contract/violations.ts";

/* The check that every other test relies on: what is not described is found. */

const answer = (
  status: number,
  headers: Readonly<Record<string, string>>,
  path = "/api/operations/order-17",
): ReceivedAnswer => ({
  method: "GET",
  url: new URL(path, "http://localhost"),
  status,
  header: (name) => headers[name],
});
const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const etag = `W/"${DOCUMENT_EXAMPLE.cursor}"`;

test("an answer as described is no violation", () => {
  checkHead(answer(200, { ...JSON_TYPE, etag, "retry-after": "1" }));
  checkBody(answer(200, JSON_TYPE), JSON.stringify(DOCUMENT_EXAMPLE));
  checkEvent(answer(200, {}, "/api/events"), {
    event: "heartbeat",
    id: "1.2",
    data: '{"type":"heartbeat","as_of":null,"heartbeat_ms":15000}',
  });
  checkMessage('{"type":"pong"}');
  expect(violations).toEqual([]);
});

test("a status, a content type and a header that are not described are violations", () => {
  checkHead(answer(418, JSON_TYPE));
  checkHead(answer(200, { "content-type": "text/plain", etag }));
  checkHead(answer(200, JSON_TYPE));
  checkHead(answer(200, { ...JSON_TYPE, etag, location: "/elsewhere" }));
  checkHead(answer(200, { ...JSON_TYPE, etag, "retry-after": "0" }));
  expect(violations.splice(0).map((each) => each.replace(/^.* → \d+: /, ""))).toEqual([
    "status 418 is not described",
    "text/plain is not described",
    "no etag",
    "location is not described",
    "retry-after: 0",
  ]);
});

test("a key too many, one that is missing, and a value of another kind are violations", () => {
  const { name, ...nameless } = DOCUMENT_EXAMPLE;
  for (const document of [
    { ...DOCUMENT_EXAMPLE, colour: "blue" },
    { ...DOCUMENT_EXAMPLE, error: { type: "Error", message: name, line: 1 } },
    { ...DOCUMENT_EXAMPLE, status: "DONE" },
    nameless,
  ]) {
    checkBody(answer(200, JSON_TYPE), JSON.stringify(document));
    expect(violations.splice(0), JSON.stringify(document)).toHaveLength(1);
  }
});

test("a problem that is not one of its status, an unknown event and message are violations", () => {
  const type = "urn:dts-push:problem:draining";
  const problem = { type, title: "Service Unavailable", status: 503, detail: "…" };
  const headers = { "content-type": "application/problem+json" };
  checkBody(answer(503, headers, "/readyz"), JSON.stringify(problem));
  expect(violations).toEqual([]);
  checkBody(answer(503, headers), JSON.stringify(problem));
  checkEvent(answer(200, {}, "/api/events"), { event: "news", data: "{}" });
  checkEvent(answer(200, {}, "/api/events"), {
    event: "bye",
    data: '{"type":"bye","reason":"bored","reconnect":false,"retry_ms":1}',
  });
  checkMessage('{"type":"news"}');
  checkMessage('{"type":"pong","late":true}');
  expect(violations.splice(0)).toHaveLength(5);
});
