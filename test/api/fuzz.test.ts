import fc from "fast-check";
import { expect, inject, test } from "vitest";
import type { OpenApiOperation } from "../../src/api/docs/openapi-types.ts";
import { valuesOf } from "../helpers/contract/schema-arbitrary.ts";
import { violations } from "../helpers/contract/violations.ts";
import { type Message, WsClient } from "../helpers/ws-client.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/*
 * Requests and messages made from /openapi.json and /asyncapi.json, as described or spoilt. None is
 * answered 5xx by a server whose scheduler is healthy, and each answer is one that is described, which
 * `fetch` checks in every test. A failure prints the seed that replays it.
 *   FUZZ_RUNS  requests to each operation; more find more
 *   SEED       replay: the seed that a failure has printed
 */
const RUNS = Number(process.env.FUZZ_RUNS ?? 20);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const OPTIONS = { seed: SEED, numRuns: RUNS, endOnFailure: true };

const { openapi, asyncapi } = inject("documents");
const stack = useSharedStack();

/** Operations that exist: no worker serves them, so that they stay as they are. */
const KNOWN = ["order-17", "known/%2F", "terminated"];

const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("no request made from the documents is answered 5xx, and every answer is described", async () => {
  for (const instanceId of KNOWN) {
    await stack.client.scheduleNewOrchestration("unserved", { big: 1 }, { instanceId });
  }
  await stack.client.terminateOrchestration("terminated", "enough");
  for (const { path, method, operation } of operations) {
    await fc.assert(
      fc.asyncProperty(requestsOf(path, method, operation), async ({ url, ...init }) => {
        const status = await send(new URL(url, stack.url), init);
        expect(status, `${method} ${url}`).toBeLessThan(500);
        expect(violations.splice(0)).toEqual([]); // Here, so that the seed is printed.
      }),
      OPTIONS,
    );
  }
});

test("no message made from the documents is refused, and no other breaks the server", async () => {
  const { schemas, messages } = asyncapi.components;
  const described = asyncapi.operations.receiveMessages?.messages.map(({ $ref }) => {
    const reference = asyncapi.channels.socket?.messages[nameOf($ref)]?.$ref ?? "";
    return valuesOf(messages[nameOf(reference)]?.payload ?? {}, schemas) as fc.Arbitrary<Message>;
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(...(described ?? [])).filter(isConsistent), async (message) => {
      const client = await WsClient.connect(stack.url);
      client.send(message);
      client.send({ type: "ping" });
      for (let type = ""; type !== "pong"; ) {
        const answer = await client.next();
        type = answer.type;
        expect(answer.problem?.type ?? "", JSON.stringify(message)).not.toMatch(/bad-message$/);
      }
      client.socket.terminate();
    }),
    OPTIONS,
  );
  const spoilt = fc.oneof(fc.json({ maxDepth: 2 }), fc.string({ unit: "grapheme" }));
  await fc.assert(
    fc.asyncProperty(spoilt, async (message) => {
      const client = await WsClient.connect(stack.url);
      client.send(message);
      expect(await client.closed(), message).toMatchObject({ code: 4400 });
    }),
    OPTIONS,
  );
});

/** `include` says of which steps, and needs them. */
function isConsistent({ include, detail }: Message): boolean {
  return include === undefined || detail === "steps";
}

interface FuzzedRequest extends RequestInit {
  readonly url: string;
}

/** Requests of one operation: three of four as described, the others with anything in its place. */
function requestsOf(
  path: string,
  method: string,
  operation: OpenApiOperation,
): fc.Arbitrary<FuzzedRequest> {
  const { parameters, requestBody } = operation;
  const { schemas } = openapi.components;
  const schema = requestBody?.content["application/json"]?.schema ?? {};
  const bodies = valuesOf(schema, schemas).map((value) => JSON.stringify(value));
  const described = fc.record({
    values: recordOf(parameters, (each) => describedValues(each)),
    body: bodies,
    unknown: fc.constant(undefined),
  });
  const spoilt = fc.record({
    values: recordOf(parameters, (each) => fc.oneof(describedValues(each), ANYTHING)),
    body: fc.oneof(bodies, fc.json(), ANYTHING),
    unknown: fc.option(fc.tuple(fc.stringMatching(/^[a-z_]{1,9}$/), ANYTHING), { nil: undefined }),
  });
  const all = fc.oneof({ weight: 3, arbitrary: described }, { weight: 1, arbitrary: spoilt });
  return all.map(({ values, body, unknown }) => {
    const { url, headers } = written(path, parameters, values);
    if (unknown) url.searchParams.append(...unknown);
    const request = { url: url.pathname + url.search, method: method.toUpperCase(), headers };
    if (!requestBody) return request;
    return { ...request, headers: { ...headers, "content-type": "application/json" }, body };
  });
}

const ANYTHING = fc.string({ unit: "binary-ascii", maxLength: 120 });

type Parameter = OpenApiOperation["parameters"][number];

/** The required ones, and up to two others: more of them contradict each other. */
function recordOf(
  parameters: readonly Parameter[],
  valuesFor: (parameter: Parameter) => fc.Arbitrary<unknown>,
): fc.Arbitrary<Readonly<Record<string, unknown>>> {
  const required = parameters.filter((each) => each.required);
  const optional = parameters.filter((each) => !each.required);
  return fc
    .subarray(optional, { maxLength: Math.min(2, optional.length) })
    .chain((chosen) =>
      fc.record(
        Object.fromEntries([...required, ...chosen].map((each) => [each.name, valuesFor(each)])),
      ),
    );
}

function describedValues({ name, schema }: Parameter): fc.Arbitrary<unknown> {
  const values = valuesOf(schema, openapi.components.schemas);
  if (name === "id" || name === "operation_id") return fc.oneof(fc.constantFrom(...KNOWN), values);
  // A wait is answered when it is over.
  if (name === "wait") return fc.constant("1");
  if (name === "Prefer") return fc.constantFrom("wait=1", "wait=0", "respond-async");
  return values;
}

/** Where the values of parameters are sent. */
function written(
  path: string,
  parameters: OpenApiOperation["parameters"],
  values: Readonly<Record<string, unknown>>,
) {
  const headers: Record<string, string> = {};
  let pathname = path;
  const query = new URLSearchParams();
  for (const { name, in: where } of parameters) {
    const value = values[name];
    if (value === undefined) continue;
    if (where === "path") {
      pathname = pathname.replace(`{${name}}`, encodeURIComponent(String(value)));
    } else if (where === "header") headers[name] = String(value).replaceAll(/[^\x20-\x7e]/g, "?");
    else for (const each of [value].flat()) query.append(name, String(each));
  }
  return { url: new URL(`${pathname}?${query}`, stack.url), headers };
}

/** Sends a request and reads its answer, of a stream only the head. */
async function send(url: URL, init: RequestInit): Promise<number> {
  const response = await fetch(url, init);
  const isStream = response.headers.get("content-type") === "text/event-stream";
  if (isStream) await response.body?.cancel();
  else await response.text();
  return response.status;
}

function nameOf($ref: string): string {
  return $ref.slice($ref.lastIndexOf("/") + 1);
}
