import { afterAll, afterEach, expect } from "vitest";
import type { ReceivedAnswer } from "./contract.ts";
import { violations } from "./violations.ts";

/*
 * Runs before each test file: what `fetch` receives is checked against the API's own description, and so
 * is what SseClient and WsClient receive. A test in which something differs fails.
 */

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  // Only now, since files of unit tests do without, and before the request, which it would delay.
  const contract = await import("./contract.ts");
  const method = init?.method ?? (input instanceof Request ? input.method : "GET");
  return checked(await realFetch(input, init), method, contract);
};

afterAll(() => {
  globalThis.fetch = realFetch;
});

afterEach(() => {
  expect(violations.splice(0), "differs from /openapi.json or /asyncapi.json").toEqual([]);
});

/** The response, whose body is checked when it is read. */
function checked(
  response: Response,
  method: string,
  { checkHead, checkBody }: typeof import("./contract.ts"),
): Response {
  const answer: ReceivedAnswer = {
    method,
    url: new URL(response.url),
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
  };
  checkHead(answer);
  const readText = response.text.bind(response);
  const text = async () => {
    const body = await readText();
    if (body !== "") checkBody(answer, body);
    return body;
  };
  const json = async () => JSON.parse(await text());
  return Object.defineProperties(response, { text: { value: text }, json: { value: json } });
}
