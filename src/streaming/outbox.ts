import type { Duplex } from "node:stream";

/** Whose outbox it is: its limits, and what it is told. There are thousands, so it is one object. */
export interface OutboxOwner {
  /** Unsent bytes past which the client is too slow. */
  readonly maxBufferedBytes: number;
  /** Whether others write to the socket too, so that a frame must go out in one piece. */
  readonly shared: boolean;
  /** Something is left unsent: `check` is to be called within a second or so, and then again. */
  onUnsent(): void;
  /** The client has taken enough to be sent more. */
  onReady(): void;
  /** The client is too slow and has to go. Called once. */
  onSlow(): void;
  /** The socket has closed. */
  onClosed?(): void;
}

const EMPTY = Buffer.alloc(0);
/** Unsent bytes up to which more may be sent; a client beyond it is given the latest state only. */
const READY_BYTES = 16 * 1024;
/** A large frame goes out in pieces of this size, so that a slow but steady client shows progress. */
const PIECE_BYTES = 64 * 1024;
/** How long nothing may leave while there is something to send. */
const STALLED_MS = 10_000;
/** How long a client that was told to go may take to receive what is under way. */
const LINGER_MS = 2000;

/**
 * What is on its way to one client, over a socket that others have set up.
 *   O1. `write` never waits.
 *   O2. Unsent bytes stay below `maxBufferedBytes` and one frame; a client past it, or one that took
 *       nothing for 10 s, is too slow.
 *   O3. After `end` or the socket's close nothing is written, and nothing refers to the socket.
 */
export class Outbox {
  readonly #socket: Duplex;
  readonly #owner: OutboxOwner;
  /** Pieces of frames that wait for the piece before them. */
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #largestFrame = 0;
  #pieceUnderWay = false;
  #awaitingReady = false;
  #foundSlow = false;
  #closed = false;
  #sentBytes = 0;
  /** What had left by the time at which something last left, or began to wait. */
  #leftBytes = 0;
  #leftAtMs = Date.now();

  constructor(socket: Duplex, owner: OutboxOwner) {
    this.#socket = socket;
    this.#owner = owner;
    // Not `once`, which takes three objects more for what happens once anyway.
    socket.on("close", () => {
      this.#release();
      owner.onClosed?.();
    });
  }

  get unsentBytes(): number {
    return this.#socket.writableLength + this.#queuedBytes;
  }

  /** Whether the client keeps up. Where it does not, `onReady` follows once it has caught up. */
  get ready(): boolean {
    if (this.#closed) return false;
    if (this.unsentBytes <= READY_BYTES) return true;
    this.#awaitReady();
    return false;
  }

  write(frame: Buffer): void {
    if (this.#closed || !this.#socket.writable) return;
    if (this.unsentBytes > this.#owner.maxBufferedBytes + this.#largestFrame) {
      this.#slow(); // O2
      return;
    }
    const wasEmpty = this.unsentBytes === 0;
    this.#sentBytes += frame.length;
    this.#largestFrame = Math.max(this.#largestFrame, frame.length);
    if (
      this.#owner.shared ||
      (frame.length <= PIECE_BYTES && this.#queue.length === 0 && !this.#pieceUnderWay)
    ) {
      this.#socket.write(frame);
    } else {
      this.#queue.push(frame);
      this.#queuedBytes += frame.length;
      this.#sendPiece();
    }
    if (wasEmpty && this.unsentBytes > 0) {
      this.#leftBytes = this.#sentBytes - this.unsentBytes;
      this.#leftAtMs = Date.now();
      this.#owner.onUnsent();
    }
  }

  /** Joins what is written until the end of this turn of the event loop into one packet. */
  cork(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
  }

  /**
   * Looks whether the client takes anything at all.
   * @returns whether something is unsent, so that it has to be called again within a second or so
   */
  check(nowMs: number): boolean {
    if (this.#closed) return false;
    const { unsentBytes } = this;
    if (unsentBytes === 0) return false;
    const leftBytes = this.#sentBytes - unsentBytes;
    if (leftBytes !== this.#leftBytes) {
      this.#leftBytes = leftBytes;
      this.#leftAtMs = nowMs;
    } else if (nowMs - this.#leftAtMs >= STALLED_MS) {
      this.#slow();
    }
    return true;
  }

  /** Writes the last frame and ends the connection, within 2 s also for a client that takes nothing. */
  end(frame: Buffer): void {
    if (this.#closed) return;
    const rest = Buffer.concat([...this.#queue, frame]);
    this.#release();
    this.#socket.end(rest);
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #sendPiece(): void {
    const frame = this.#queue[0];
    if (!frame || this.#pieceUnderWay) return;
    const piece = frame.subarray(0, PIECE_BYTES);
    if (piece.length === frame.length) this.#queue.shift();
    else this.#queue[0] = frame.subarray(PIECE_BYTES);
    this.#queuedBytes -= piece.length;
    this.#pieceUnderWay = true;
    this.#socket.write(piece, () => {
      this.#pieceUnderWay = false;
      this.#sendPiece();
    });
  }

  /**
   * The socket's own "drain" comes only past its high-water mark, which is above ours; the callback
   * of an empty write comes when everything before it has left.
   */
  #awaitReady(): void {
    if (this.#awaitingReady) return;
    this.#awaitingReady = true;
    this.#socket.write(EMPTY, () => {
      this.#awaitingReady = false;
      if (this.#closed) return;
      if (this.unsentBytes <= READY_BYTES) this.#owner.onReady();
      else this.#awaitReady();
    });
  }

  #slow(): void {
    if (this.#closed || this.#foundSlow) return;
    this.#foundSlow = true;
    this.#owner.onSlow();
  }

  #release(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }
}
