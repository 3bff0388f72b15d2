import { Writable } from "node:stream";
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { onEnd } from "../lifetime.ts";

/** A call as the server sees it. */
export interface SeenCall {
  readonly method: string;
  readonly request: unknown;
  /** When it arrived, by `performance.now()`. */
  readonly atMs: number;
  /** The remote end of the connection that it came on. */
  readonly peer: string;
  readonly metadata: Metadata;
  /** Milliseconds that the client gives it, if it said so. */
  readonly deadlineMs: number;
  /** Settles when the client has cancelled it. */
  readonly cancelled: Promise<void>;
}

type Unary = (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) => void;
type Streaming = (call: ServerWritableStream<unknown, unknown>) => void;

/** By the methods' names in JavaScript. */
export type Handlers = Readonly<Record<string, Unary | Streaming>>;

/** What it does by itself: it accepts everything and knows nothing. */
const DEFAULTS: Handlers = {
  hello: (_call, done) => done(null, new empty.Empty()),
  getInstance: (_call, done) => done(null, new pb.GetInstanceResponse()),
  startInstance: (_call, done) => done(null, new pb.CreateInstanceResponse()),
  // Stays open until the client leaves.
  getWorkItems: () => undefined,
};

/** Calls that are never answered: for `FakeScheduler.start`. */
export const never = (): void => undefined;

/** Answers with an error. */
export function failing(code: status, details = "as the test wants it"): Unary {
  return (_call, done) => done({ code, details });
}

/** A peer that speaks the SDK's service over real gRPC, and shows what reached it. */
export class FakeScheduler {
  /** All calls so far. A test may empty it. */
  readonly calls: SeenCall[] = [];
  readonly #handlers: Handlers;
  readonly #credentials: ServerCredentials;
  #server = new Server();
  #port = 0;

  /** @param handlers methods that are answered otherwise than above */
  static async start(
    handlers: Handlers = {},
    port = 0,
    credentials = ServerCredentials.createInsecure(),
  ): Promise<FakeScheduler> {
    const fake = new FakeScheduler(handlers, credentials);
    await fake.#listen(port);
    onEnd(() => fake.stop());
    return fake;
  }

  private constructor(handlers: Handlers, credentials: ServerCredentials) {
    this.#handlers = { ...DEFAULTS, ...handlers };
    this.#credentials = credentials;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Calls of one method so far. */
  of(method: string): SeenCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** Listens again on the port that it had. */
  restart(): Promise<void> {
    return this.#listen(this.#port);
  }

  async #listen(port: number): Promise<void> {
    this.#server = new Server({ "grpc.max_send_message_length": -1 });
    const methods = Object.keys(grpcPb.TaskHubSidecarServiceService).map((name) => [
      name,
      (call: never, done: never) => this.#receive(name, call, done),
    ]);
    this.#server.addService(
      grpcPb.TaskHubSidecarServiceService,
      Object.fromEntries(methods) as never,
    );
    this.#port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(`127.0.0.1:${port}`, this.#credentials, (error, at) =>
        error ? reject(error) : resolve(at),
      ),
    );
  }

  #receive(
    method: string,
    call: ServerUnaryCall<unknown, unknown> & ServerWritableStream<unknown, unknown>,
    done: sendUnaryData<unknown>,
  ): void {
    const cancelled = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
    const deadline = Number(call.getDeadline());
    this.calls.push({
      method,
      request: call.request,
      atMs: performance.now(),
      peer: call.getPeer(),
      metadata: call.metadata,
      deadlineMs: deadline - Date.now(),
      cancelled,
    });
    const handler = this.#handlers[method];
    if (handler) (handler as Unary)(call, done);
    else if (call instanceof Writable) call.emit("error", { code: status.UNIMPLEMENTED });
    else done({ code: status.UNIMPLEMENTED });
  }
}
