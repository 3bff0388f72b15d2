import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import protobuf from "google-protobuf";
import { onTestFinished } from "vitest";

const { BinaryReader } = protobuf;

/** A span as a collector receives it. */
export interface ReceivedSpan {
  /** `service.name` of the process that it is from. */
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty where it has none. */
  readonly parentId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client, 4 producer. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
}

/** A collector of traces: OTLP over HTTP, in protobuf. */
export class Collector {
  readonly spans: ReceivedSpan[] = [];
  /** Header `x-test` of each export. */
  readonly headers: (string | string[] | undefined)[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      this.headers.push(request.headers["x-test"]);
      if (request.url === "/v1/traces") this.spans.push(...decode(Buffer.concat(chunks)));
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });

  static async start(): Promise<Collector> {
    const collector = new Collector();
    const server = collector.#server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  trace(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }
}

/** @see https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto */
function decode(bytes: Buffer): ReceivedSpan[] {
  return messages(bytes, 1).flatMap((resourceSpans) => {
    const [resource] = messages(resourceSpans, 1);
    const { "service.name": service } = attributesOf(resource, 1);
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => toSpan(span, String(service)));
  });
}

function toSpan(span: Uint8Array, service: string): ReceivedSpan {
  const hex = (field: number) => Buffer.from(messages(span, field)[0] ?? []).toString("hex");
  const [status] = messages(span, 15);
  return {
    service,
    traceId: hex(1),
    spanId: hex(2),
    parentId: hex(4),
    name: text(messages(span, 5)[0]),
    kind: numbers(span, 6)[0] ?? 0,
    attributes: attributesOf(span, 9),
    status: numbers(status, 3)[0] ?? 0,
  };
}

function attributesOf(message: Uint8Array | undefined, field: number) {
  const pairs = messages(message, field).map((pair) => {
    const [key, value] = [messages(pair, 1)[0], messages(pair, 2)[0]];
    const [string] = messages(value, 1);
    return [text(key), string ? text(string) : (numbers(value, 3)[0] ?? 0)] as const;
  });
  return Object.fromEntries<string | number>(pairs);
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

/** The values of one field that have a length: messages, strings and bytes. */
function messages(message: Uint8Array | undefined, field: number): Uint8Array[] {
  return valuesOf(message, field).filter((value) => typeof value !== "number");
}

function numbers(message: Uint8Array | undefined, field: number): number[] {
  return valuesOf(message, field).filter((value) => typeof value === "number");
}

function valuesOf(message: Uint8Array | undefined, field: number): (Uint8Array | number)[] {
  const values: (Uint8Array | number)[] = [];
  const reader = new BinaryReader(message ?? new Uint8Array());
  while (reader.nextField()) {
    if (reader.getFieldNumber() !== field) reader.skipField();
    else values.push(reader.isDelimited() ? reader.readBytes() : reader.readUint64());
  }
  return values;
}
