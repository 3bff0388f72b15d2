import { expect, test } from "vitest";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const JSON_TYPE = "application/json";

function start(body: RequestInit["body"], contentType: string | undefined = JSON_TYPE) {
  return fetch(new URL("/api/start-operation", stack.url), {
    method: "POST",
    headers: contentType ? { "content-type": contentType } : {},
    body: body ?? null,
  });
}

/** The input that the scheduler stored for an operation. */
async function storedInput(id: string): Promise<unknown> {
  const state = await stack.client.getOrchestrationState(id, true);
  expect(state?.name).toBe("async_http_api_orchestrator");
  return JSON.parse(state?.serializedInput ?? "null");
}

test("answers 202 with the sample's two keys, the events' address, Location and Retry-After", async () => {
  const response = await start('{"processing_time": 1}');
  expect(response.status).toBe(202);
  expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
  const body = (await response.json()) as Record<string, string>;
  expect(body.operation_id).toMatch(UUID);
  expect(body).toEqual({
    operation_id: body.operation_id,
    status_url: `/api/operations/${body.operation_id}`,
    events_url: `/api/operations/${body.operation_id}/events`,
  });
  expect(response.headers.get("location")).toBe(body.status_url);
  expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
});

test("stores the sample's input, and steps only where the client gave them", async () => {
  for (const [sent, stored] of [
    ["{}", { processing_time: 5 }],
    ['{"processing_time": 0}', { processing_time: 0 }],
    ['{"processing_time": 86400, "steps": 1000}', { processing_time: 86_400, steps: 1000 }],
    ['{"processing_time": 3, "extra": {"a": [1]}}', { processing_time: 3 }],
  ] as const) {
    const { operation_id } = (await (await start(sent)).json()) as { operation_id: string };
    expect(await storedInput(operation_id)).toEqual({ operation_id, ...stored });
  }
});

test("accepts application/json, with and without parameters", async () => {
  for (const type of [
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
  ]) {
    expect((await start('{"processing_time": 0}', type)).status, type).toBe(202);
  }
  expect((await start('\ufeff{"processing_time": 0}')).status, "byte order mark").toBe(202);
});

test("refuses everything but a JSON object with 400", async () => {
  for (const body of [
    '"text"',
    "[]",
    '[{"processing_time": 1}]',
    "null",
    "NaN",
    "1",
    "true",
    "",
    " ",
    "{",
    '{"processing_time": 1',
    '{"processing_time": NaN}',
    '{"processing_time": 1}}',
    "{'processing_time': 1}",
    "processing_time=1",
    '{"__proto__": {"processing_time": 1}}',
    "\u0000",
  ]) {
    await problemOf(await start(body), 400, "invalid-body", body);
  }
});

test("refuses a missing body with 400, with and without a content type", async () => {
  await problemOf(await start(undefined), 400, "invalid-body");
  await problemOf(await start(undefined, ""), 400, "invalid-body");
});

test("refuses a field that is not an integer in range, and names it", async () => {
  const long = "9".repeat(400);
  for (const value of [
    "-1",
    "86401",
    "18446744073709551616",
    "1e400",
    long,
    "true",
    "null",
    "2.7",
    '"3"',
    "[]",
    "{}",
    '""',
  ]) {
    const body = `{"processing_time": ${value}}`;
    const { detail } = await problemOf(await start(body), 400, "invalid-body", body);
    expect(detail, body).toContain("processing_time");
  }
  for (const value of ["0", "1001", "-1", "1.5", '"5"', "false", "null"]) {
    const body = `{"processing_time": 1, "steps": ${value}}`;
    const { detail } = await problemOf(await start(body), 400, "invalid-body", body);
    expect(detail, body).toContain("steps");
  }
});

test("accepts every JSON spelling of a whole number", async () => {
  for (const value of ["1.0", "1e0", "0.1e1", "-0"]) {
    expect((await start(`{"processing_time": ${value}}`)).status, value).toBe(202);
  }
});

test("refuses every other content type with 415", async () => {
  for (const type of [
    "application/vnd.api+json",
    "application/problem+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/json",
    "application/xml",
    "application/jsonp",
    "application/json5",
    "x",
    "application/vnd.api+jsonx",
  ]) {
    await problemOf(await start("processing_time=1", type), 415, "unsupported-media-type", type);
  }
});

test("refuses text that is not UTF-8 with 400, with a length and in chunks", async () => {
  const bytes = Buffer.concat([
    Buffer.from('{"processing_time": 1, "x": "'),
    Buffer.from([0xff, 0xfe, 0xc0]),
    Buffer.from('"}'),
  ]);
  await problemOf(await start(bytes), 400, "invalid-body", "with a length");
  await problemOf(await startInChunks([bytes]), 400, "invalid-body", "in chunks");
});

test("decodes a character that is split between two chunks", async () => {
  const bytes = Buffer.from('{"processing_time": 0, "x": "é"}');
  const inside = bytes.indexOf(0xc3) + 1;
  const response = await startInChunks([bytes.subarray(0, inside), bytes.subarray(inside)]);
  expect(response.status).toBe(202);
});

test("refuses 8,000 nested arrays with 400, and accepts as many in a field", async () => {
  const nested = "[".repeat(8000) + "]".repeat(8000);
  await problemOf(await start(nested), 400, "invalid-body");
  await problemOf(await start("[".repeat(8000)), 400, "invalid-body");
  expect((await start(`{"processing_time": 0, "x": ${nested}}`)).status).toBe(202);
});

test("accepts a body of 16 KiB and refuses one byte more with 413, which names the limit", async () => {
  const body = (bytes: number) => '{"processing_time": 0, "x": ""}'.padEnd(bytes, " ");
  expect((await start(body(16_384))).status).toBe(202);
  const { detail } = await problemOf(await start(body(16_385)), 413, "body-too-large");
  expect(detail).toContain("16384 bytes");
});

function startInChunks(chunks: readonly Uint8Array[]): Promise<Response> {
  const body = ReadableStream.from(chunks);
  return fetch(new URL("/api/start-operation", stack.url), {
    method: "POST",
    headers: { "content-type": JSON_TYPE },
    body,
    duplex: "half",
  } as RequestInit);
}
