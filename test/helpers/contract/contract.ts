import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { inject } from "vitest";
import type { JsonSchema } from "../../../src/api/docs/components.ts";
import {
  type OpenApiOperation,
  type OpenApiResponse,
  resolveAnswer,
} from "../../../src/api/docs/openapi-types.ts";
import { ANSWER_HEADERS } from "../../../src/api/docs/route-docs.ts";
import { violations } from "./violations.ts";

/*
 * Whatever this server sends is one of the answers, events and messages of /openapi.json and
 * /asyncapi.json. The documents let clients ignore keys that they do not know; here such a key is a
 * violation, since it is a key that the documents forgot.
 */

const { openapi, asyncapi } = inject("documents");

const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(closed(openapi) as object, "openapi");
ajv.addSchema(closed(asyncapi) as object, "asyncapi");

/** An answer as a client got it. */
export interface ReceivedAnswer {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  header(name: string): string | undefined;
}

/** Without a body, although a proxy may add a content type. */
const BODILESS = [204, 304];

/** Checks status, content type and headers. Answers of proxies, which send HTML, are not checked. */
export function checkHead(answer: ReceivedAnswer): void {
  const type = mediaType(answer);
  if (type === "text/html") return;
  const found = findOperation(answer);
  if (!found) {
    checkUndescribed(answer, type);
    return;
  }
  const response = answerOf(found, answer.status);
  if (!response) {
    complain(answer, `status ${answer.status} is not described`);
    return;
  }
  checkHeaders(answer, response);
  const types = Object.keys(response.content ?? {});
  if (BODILESS.includes(answer.status)) return;
  if (type !== undefined && !types.includes(type)) complain(answer, `${type} is not described`);
  if (type === undefined && types.length > 0 && answer.method !== "HEAD") {
    complain(answer, `no content-type where ${types} is described`);
  }
}

/** Checks a body that is JSON. */
export function checkBody(answer: ReceivedAnswer, body: string): void {
  const type = mediaType(answer);
  if (type === undefined || !/^application\/(problem\+)?json$/.test(type)) return;
  const found = findOperation(answer);
  if (!found) {
    if (type === "application/problem+json") check(answer, PROBLEM, JSON.parse(body));
    return;
  }
  if (!answerOf(found, answer.status)?.content?.[type]) return; // `checkHead` has complained.
  check(answer, schemaOf(found, answer.status, type), JSON.parse(body));
}

/** Checks one server-sent event. */
export function checkEvent(
  answer: ReceivedAnswer,
  {
    event = "message",
    id,
    data,
  }: { event?: string | undefined; id?: string | undefined; data: string },
): void {
  const found = findOperation(answer);
  const media = found && answerOf(found, 200)?.content?.["text/event-stream"];
  const { oneOf } = dereference(media?.itemSchema) as { oneOf?: readonly EventVariant[] };
  const variant = oneOf?.find(({ properties }) => properties.event.const === event);
  if (!variant) {
    complain(answer, `event ${event} is not described`);
    return;
  }
  check(answer, "openapi#/components/schemas/StreamEvent", { event, data, ...(id && { id }) });
  check(answer, `openapi${variant.properties.data.contentSchema.$ref}`, JSON.parse(data));
}
interface EventVariant {
  readonly properties: {
    readonly event: { readonly const: string };
    readonly data: { readonly contentSchema: { readonly $ref: string } };
  };
}

/** Checks one message that the server has sent over a WebSocket. */
export function checkMessage(text: string): void {
  const message = JSON.parse(text) as { type?: unknown };
  const sent = asyncapi.channels.socket?.messages[String(message.type)]?.$ref;
  if (!sent) violations.push(`WebSocket: message ${message.type} is not described: ${text}`);
  else check("WebSocket", `asyncapi${sent}/payload`, message);
}

/** Checks the documents' own examples. @returns how many there are */
export function checkExamples(): number {
  let checked = 0;
  const checkOne = (reference: string, value: unknown) => {
    check(`example of ${reference}`, reference, value);
    checked += 1;
  };
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const found = { path, method, operation };
      for (const status of Object.keys(operation.responses).map(Number)) {
        const { content = {} } = answerOf(found, status) ?? {};
        for (const [type, { example, examples = {}, itemSchema }] of Object.entries(content)) {
          if (itemSchema) continue; // The events of AsyncAPI.
          const named = Object.keys(examples).map(
            (name) => openapi.components.examples[name]?.value,
          );
          for (const value of example === undefined ? named : [example]) {
            checkOne(schemaOf(found, status, type), value);
          }
        }
      }
    }
  }
  for (const [name, { examples }] of Object.entries(asyncapi.components.messages)) {
    for (const { payload } of examples) {
      checkOne(`asyncapi#/components/messages/${name}/payload`, payload);
    }
  }
  return checked;
}

const PROBLEM = "openapi#/components/schemas/Problem";

/** Problems that come before any route, or because there is none. */
function checkUndescribed(answer: ReceivedAnswer, type: string | undefined): void {
  if (answer.status < 400 || type === "application/problem+json") return;
  complain(answer, `an error of type ${type} is not described`);
}

/** Headers that are part of the API: each is described where it is sent, and sent where it is required. */
function checkHeaders(answer: ReceivedAnswer, { headers = {} }: OpenApiResponse): void {
  for (const name of API_HEADERS) {
    // Apache adds how it has compressed an answer to its tag.
    const value = answer.header(name)?.replace(/-gzip"$/, '"');
    const described = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
    if (value === undefined) {
      if (described?.required) complain(answer, `no ${name}`);
    } else if (!described) complain(answer, `${name} is not described`);
    else if (!ajv.validate(described.schema, value)) complain(answer, `${name}: ${value}`);
  }
}
const API_HEADERS = Object.keys(ANSWER_HEADERS).map((name) => name.toLowerCase());

interface FoundOperation {
  readonly path: string;
  readonly method: string;
  readonly operation: OpenApiOperation;
}

/** The operation that has answered. HEAD is that of GET, where it is possible. */
function findOperation({ method, url, status }: ReceivedAnswer): FoundOperation | undefined {
  if (method === "HEAD" && status === 405) return undefined;
  const asked = method === "HEAD" ? "get" : method.toLowerCase();
  const pathname = url.pathname.replace(/^\/push(?=\/)/, ""); // of the plugin in another application
  for (const [path, methods] of Object.entries(openapi.paths)) {
    const pattern = `^${path.replaceAll(/\{\w+\}/g, "[^/]*")}$`;
    const operation = methods[asked];
    if (operation && new RegExp(pattern).test(pathname)) {
      return { path, method: asked, operation };
    }
  }
  return undefined;
}

function answerOf({ operation }: FoundOperation, status: number): OpenApiResponse | undefined {
  return resolveAnswer(openapi, operation.responses[status]);
}

/** Where the schema of a body is. */
function schemaOf(
  { path, method, operation }: FoundOperation,
  status: number | string,
  type: string,
): string {
  const answer = operation.responses[status];
  const reference = answer && "$ref" in answer ? answer.$ref : undefined;
  const pointer = reference ?? `#${toPointer(["paths", path, method, "responses", status])}`;
  return `openapi${pointer}${toPointer(["content", type, "schema"])}`;
}

const validators = new Map<string, ValidateFunction>();

function check(about: ReceivedAnswer | string, reference: string, value: unknown): void {
  let validate = validators.get(reference);
  if (!validate) {
    validate = ajv.compile({ $ref: reference });
    validators.set(reference, validate);
  }
  if (validate(value)) return;
  const what = `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 500)}`;
  if (typeof about === "string") violations.push(`${about}: ${what}`);
  else complain(about, what);
}

function complain({ method, url, status }: ReceivedAnswer, what: string): void {
  violations.push(`${method} ${url.pathname}${url.search} → ${status}: ${what}`);
}

function mediaType(answer: ReceivedAnswer): string | undefined {
  return answer.header("content-type")?.split(";")[0]?.trim().toLowerCase();
}

function dereference(schema: JsonSchema | undefined): object {
  const name = /[^/]+$/.exec(String(schema?.$ref))?.[0];
  return openapi.components.schemas[name ?? ""] ?? {};
}

function toPointer(parts: readonly (string | number)[]): string {
  const encoded = parts.map((part) =>
    encodeURIComponent(String(part).replaceAll("~", "~0").replaceAll("/", "~1")),
  );
  return `/${encoded.join("/")}`;
}

/** A copy in which objects have no other keys than those that are listed. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, closed(part)]));
  const isListed = parts.type === "object" && parts.properties !== undefined;
  return isListed ? { additionalProperties: false, ...parts } : parts;
}
