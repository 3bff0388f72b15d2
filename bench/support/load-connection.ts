/** One client of a bench on a bare socket. It knows as much of SSE, WebSocket and Socket.IO as its figures need. */
import { connect, type Socket } from "node:net";

/**
 * What is done with what arrives: nothing (`idle`), counting (`count`), or reading each event's time
 * (`lag`).
 */
export type LoadKind = "idle" | "count" | "lag";

/** `socket.io`: as its client does over a WebSocket. */
export type LoadTransport = "sse" | "ws" | "socket.io";

export interface LoadTarget {
  readonly port: number;
  readonly path: string;
  readonly transport: LoadTransport;
  readonly kind: LoadKind;
}

export interface Received {
  onUpdates(count: number, bytes: number): void;
  onLag(kind: "update" | "end" | "step", ms: number): void;
  onClosed(connection: LoadConnection): void;
}

const UPDATE_TYPE = '"type":"update"';
const UPDATE = Buffer.from(UPDATE_TYPE);
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
/** Messages of Engine.IO 4, whose first character is their type, and of Socket.IO in them. */
const SOCKET_IO = { open: "0", ping: "2", pong: "3", connect: "40" };
/** What is read lands here: it is looked at before the next socket is read. */
const READ = Buffer.alloc(64 * 1024);
const TIME = /"(?:last_updated|at)":"([^"]+)"/;
const ENDED = /"status":"(?:Completed|Failed|TERMINATED)"/;

export class LoadConnection {
  readonly target: LoadTarget;
  readonly #socket: Socket;
  readonly #received: Received;
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;
  #head = "";
  /** Of an SSE event, or of a WebSocket frame, that has not arrived whole. */
  #text = "";
  #bytes: Buffer | undefined;

  constructor(target: LoadTarget, received: Received) {
    this.target = target;
    this.#received = received;
    const onread = {
      buffer: READ,
      callback: (length: number, buffer: Uint8Array) => {
        this.#take((buffer as Buffer).subarray(0, length));
        return true;
      },
    };
    this.#socket = connect({ port: target.port, host: "127.0.0.1", onread });
    this.#socket.once("connect", () => this.#socket.write(request(target)));
    this.#socket.on("error", () => undefined);
    this.#socket.once("close", () => {
      received.onClosed(this);
      this.#opened.reject(new Error(`The server closed ${target.path}: ${this.#head}`));
    });
    this.#opened.promise.catch(() => undefined);
  }

  /** Resolves when the server has accepted it; rejects when it did not. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Reads no more, as a client that hangs. */
  stall(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    if (!this.#isOpen) {
      this.#takeHead(data);
      return;
    }
    const { kind, transport } = this.target;
    if (transport === "socket.io") this.#takeFrames(data);
    else if (kind === "idle") this.#received.onUpdates(0, data.length);
    else if (transport === "ws") this.#takeFrames(data);
    else if (kind === "count") this.#received.onUpdates(occurrences(data), data.length);
    else this.#takeText(data);
  }

  #takeHead(data: Buffer): void {
    this.#head += data.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (!/^HTTP\/1\.1 (200|101)/.test(this.#head)) {
      this.#socket.destroy();
      return;
    }
    this.#isOpen = true;
    if (this.target.transport !== "socket.io") this.#opened.resolve();
    const rest = Buffer.from(this.#head.slice(end + 4), "latin1");
    this.#head = "";
    if (rest.length > 0) this.#take(rest);
  }

  #takeText(data: Buffer): void {
    const events = (this.#text + data.toString("latin1")).split("\n\n");
    this.#text = events.pop() ?? "";
    let updates = 0;
    for (const event of events) {
      const isUpdate = event.includes(UPDATE_TYPE);
      const isStep = event.includes("event: step");
      if (isUpdate) updates += 1;
      if (isUpdate || isStep) this.#takeTime(event, isStep);
    }
    this.#received.onUpdates(updates, data.length);
  }

  #takeTime(event: string, isStep: boolean): void {
    const at = Date.parse(TIME.exec(event)?.[1] ?? "");
    const kind = isStep ? "step" : ENDED.test(event) ? "end" : "update";
    this.#received.onLag(kind, Date.now() - at);
  }

  #takeFrames(data: Buffer): void {
    let rest = this.#bytes ? Buffer.concat([this.#bytes, data]) : data;
    let updates = 0;
    for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
      const opcode = (rest[0] ?? 0) & 0x0f;
      if (opcode === 0x9) this.#socket.write(PONG);
      else if (opcode === 0x1) updates += this.#takeMessage(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    this.#bytes = rest.length > 0 ? Buffer.from(rest) : undefined;
    this.#received.onUpdates(updates, data.length);
  }

  /** @returns the number of updates in it */
  #takeMessage(frame: Buffer): number {
    if (this.target.transport === "socket.io") this.#answer(frame);
    const updates = occurrences(frame);
    if (updates > 0 && this.target.kind === "lag") this.#takeTime(frame.toString("latin1"), false);
    return updates;
  }

  /** What a client of Socket.IO answers. It is connected once its namespace is. */
  #answer(frame: Buffer): void {
    const start = frame.length < 128 ? 2 : 4;
    const says = (message: string) =>
      frame.toString("latin1", start, start + message.length) === message;
    if (says(SOCKET_IO.open)) this.#socket.write(textFrame(SOCKET_IO.connect));
    else if (says(SOCKET_IO.ping)) this.#socket.write(textFrame(SOCKET_IO.pong));
    else if (says(SOCKET_IO.connect)) this.#opened.resolve();
  }
}

/** A short message of a client, masked with zeros. */
function textFrame(message: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]),
    Buffer.from(message),
  ]);
}

function occurrences(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(UPDATE); at >= 0; at = data.indexOf(UPDATE, at + UPDATE.length)) {
    count += 1;
  }
  return count;
}

/** Where the first frame of a server ends; past the end of `data` while it is not known. */
function frameEnd(data: Buffer): number {
  const length = (data[1] ?? 0) & 0x7f;
  if (data.length < 2) return Number.POSITIVE_INFINITY;
  if (length < 126) return 2 + length;
  if (data.length < 10) return Number.POSITIVE_INFINITY;
  return length === 126 ? 4 + data.readUInt16BE(2) : 10 + Number(data.readBigUInt64BE(2));
}

function request({ path, transport }: LoadTarget): string {
  const common = `GET ${path} HTTP/1.1\r\nhost: localhost\r\n`;
  if (transport === "sse") return `${common}accept: text/event-stream\r\n\r\n`;
  return (
    `${common}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: dts-push.v1\r\n\r\n"
  );
}
