import { isTerminal, type OperationDocument } from "../../../client/wire.ts";
import { must, mustBe, SkipError } from "./check.ts";
import type { EventStream } from "./event-stream.ts";
import type { Server } from "./server.ts";
import type { Frame } from "./socket.ts";

/** An orchestration that ends by itself. */
export interface Orchestration {
  readonly name: string;
  readonly input: unknown;
}

/** One operation, from its start to its end, as each transport has shown it. */
export interface Recording {
  readonly id: string;
  readonly start: { readonly response: Response; readonly body: Record<string, unknown> };
  readonly sse: EventStream;
  readonly webSocket: readonly Frame[];
  readonly longPoll: readonly OperationDocument[];
  /** With its input. */
  readonly last: OperationDocument;
}

const SAMPLE = { processing_time: 2, steps: 2 };
const WAIT_S = 25;

/**
 * Starts an operation, the sample's unless another is given, and follows it over three transports.
 * @throws SkipError if the server has no sample, or does not permit to start
 */
export async function record(
  server: Server,
  orchestration: Orchestration | undefined,
): Promise<Recording> {
  const response = orchestration
    ? await server.post(server.urlOf("api/operations"), orchestration)
    : await server.post(server.urlOf("api/start-operation"), SAMPLE);
  if (response.status === 404) throw new SkipError("there is no sample; name an orchestration");
  mustBe("the status of the start", response.status, 202);
  const body = (await response.json()) as Record<string, unknown>;
  const id = String(body.operation_id);
  const [sse, webSocket, longPoll] = await Promise.all([
    server.stream(server.urlOf("api/events", { operation_id: id, detail: "status" })),
    overWebSocket(server, id),
    byLongPoll(server, id),
  ]);
  const last = await server.json(
    server.urlOf("api/operations", { operation_id: id, include: "input" }),
  );
  return {
    ...{ id, start: { response, body }, sse, webSocket, longPoll },
    last: last as unknown as OperationDocument,
  };
}

async function overWebSocket(server: Server, id: string): Promise<Frame[]> {
  const socket = await server.socket();
  socket.send({ type: "subscribe", sub: "s1", operation_id: id });
  const frames = await socket.rest();
  socket.close();
  return frames;
}

async function byLongPoll(server: Server, id: string): Promise<OperationDocument[]> {
  const documents: OperationDocument[] = [];
  let etag: string | null = null;
  for (;;) {
    const headers = { prefer: `wait=${WAIT_S}`, ...(etag && { "if-none-match": etag }) };
    const response: Response = await server.request(
      server.urlOf("api/operations", { operation_id: id }),
      { headers },
    );
    etag = response.headers.get("etag") ?? etag;
    if (response.status === 304) continue;
    mustBe("the status of a long-poll", response.status, 200);
    const document = (await response.json()) as OperationDocument;
    must(documents.at(-1)?.cursor !== document.cursor, "a long-poll has sent a state twice");
    documents.push(document);
    if (isTerminal(document)) return documents;
  }
}
