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
import { onTestFinished } from "vitest";

/** A call as the server sees it. */
export interface SeenCall {
  readonly method: string;
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

/** What the fake does by itself: it accepts everything and knows nothing. */
const DEFAULTS: Readonly<Record<string, Unary | Streaming>> = {
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
  readonly calls: SeenCall[] = [];
  readonly #server: Server;
  readonly #handlers: Record<string, Unary | Streaming>;
  #port = 0;

  /** @param handlers methods by their JavaScript names; anything not named does what it does above */
  static async start(
    handlers: Record<string, Unary | Streaming> = {},
    port = 0,
    credentials = ServerCredentials.createInsecure(),
  ): Promise<FakeScheduler> {
    const fake = new FakeScheduler(handlers);
    fake.#port = await new Promise<number>((resolve, reject) =>
      fake.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) =>
        error ? reject(error) : resolve(at),
      ),
    );
    onTestFinished(() => fake.stop());
    return fake;
  }

  private constructor(handlers: Record<string, Unary | Streaming>) {
    this.#handlers = { ...DEFAULTS, ...handlers };
    this.#server = new Server();
    const methods = Object.keys(grpcPb.TaskHubSidecarServiceService).map((name) => [
      name,
      (call: never, done: never) => this.#receive(name, call, done),
    ]);
    this.#server.addService(
      grpcPb.TaskHubSidecarServiceService,
      Object.fromEntries(methods) as never,
    );
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

  #receive(
    method: string,
    call: ServerUnaryCall<unknown, unknown> & ServerWritableStream<unknown, unknown>,
    done: sendUnaryData<unknown>,
  ): void {
    const cancelled = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
    const deadline = Number(call.getDeadline());
    this.calls.push({
      method,
      peer: call.getPeer(),
      metadata: call.metadata,
      deadlineMs: deadline - Date.now(),
      cancelled,
    });
    const handler = this.#handlers[method];
    if (handler) (handler as Unary)(call, done);
    else done({ code: status.UNIMPLEMENTED });
  }
}
