import type { Socket } from "node:net";
import { Progress } from "./progress.ts";
import { joinWrites, presentTurn } from "./turn.ts";

/** The connection that an outbox belongs to. One object, since there are thousands of them. */
export interface OutboxOwner {
  /** Unsent bytes past which the client is too slow. */
  readonly maxBufferedBytes: number;
  /** Something is unsent: call `check` within a second or so, and then again. */
  onUnsent(): void;
  /** The client has taken enough to be sent more. */
  onReady(): void;
  /** The client is too slow and has to be disconnected. Called once. */
  onSlow(): void;
  /** The socket has closed. */
  onClosed?(): void;
}

/**
 * Larger frames are sent in pieces of exactly this size, each after the kernel has taken the one
 * before: Node reports a write only as a whole, and a slow but steady client has to show progress.
 */
export const PIECE_BYTES = 16 * 1024;
/** Unsent bytes up to which more may be sent; a client beyond it is sent the latest state only. */
const READY_BYTES = 16 * 1024;

const EMPTY = Buffer.alloc(0);

/** How an outbox ends. */
interface Ending {
  /** Ends the connection in the transport's way, behind the last frame. Called once. */
  readonly finish: () => void;
  finished: boolean;
  closeByMs: number;
}

/**
 * The unsent bytes of one client, on a socket that was set up elsewhere.
 *   OUTBOX-1. `write` never waits.
 *   OUTBOX-2. Unsent bytes stay below `maxBufferedBytes` and two frames. A client past it, or one that
 *             took nothing for 10 s, is too slow.
 *   OUTBOX-3. `end` discards nothing that was written. It waits while the client takes bytes, at 8 kB/s
 *             or more; then the socket is destroyed.
 *   OUTBOX-4. After `end` or the socket's close nothing more is accepted.
 *   OUTBOX-5. What is written in one turn of the event loop takes two writes of the socket at most: the
 *             first frame leaves at once, those after it together at the end of the turn.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #owner: OutboxOwner;
  /** Frames, or the rest of one, that wait for the write before them. */
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Whether a write is under way whose callback continues with the queue. */
  #writing = false;
  #awaitingReady = false;
  #largestFrame = 0;
  #foundSlow = false;
  /** The turn of the last write. */
  #turn = -1;
  #closed = false;
  /** While something is unsent. */
  #progress: Progress | undefined;
  #ending: Ending | undefined;

  constructor(socket: Socket, owner: OutboxOwner) {
    this.#socket = socket;
    this.#owner = owner;
    // Not `once`, which allocates three more objects.
    socket.on("close", () => this.#close());
  }

  get unsentBytes(): number {
    return this.#socket.writableLength + this.#queuedBytes;
  }

  /** Whether the client keeps up. Where it does not, `onReady` follows once it has caught up. */
  get ready(): boolean {
    if (this.#closed || this.#ending) return false;
    if (this.unsentBytes <= READY_BYTES) return true;
    this.#awaitingReady = true;
    this.#continue();
    return false;
  }

  write(frame: Buffer): void {
    if (this.#closed || this.#ending || this.#foundSlow) return;
    this.#enqueue(frame);
    if (this.unsentBytes === 0) return;
    this.#largestFrame = Math.max(this.#largestFrame, frame.length);
    if (this.unsentBytes > this.#owner.maxBufferedBytes + this.#largestFrame) this.#slow();
  }

  /**
   * Applies the liveness rule.
   * @param nowMs of `performance.now()`
   * @returns whether it has to be called again within a second or so
   */
  check(nowMs: number): boolean {
    if (this.#socket.closed) this.#close(); // Also where it closed before this outbox was made.
    if (this.#closed) return false;
    if (this.unsentBytes === 0 && !this.#ending) {
      this.#progress = undefined;
      return false;
    }
    this.#progress ??= new Progress(this.#socket, nowMs);
    if (!this.#ending) {
      if (this.#progress.isStalled(nowMs)) this.#slow();
    } else if (nowMs >= this.#ending.closeByMs || this.#progress.isTooSlow(nowMs)) {
      this.#socket.destroy(); // OUTBOX-3
    }
    return true;
  }

  /**
   * Writes the last frame, then ends the connection. `check` has to be called until the socket closes.
   * @param finish ends the connection in the transport's way, behind the last frame
   */
  end(frame: Buffer, finish: () => void): void {
    if (this.#closed || this.#ending) return;
    this.#enqueue(frame);
    this.#ending = { finish, finished: false, closeByMs: Number.POSITIVE_INFINITY };
    this.#progress = new Progress(this.#socket, performance.now());
    this.#continue();
  }

  /** After `end`: destroys the socket at the latest then. @param nowMs of `performance.now()` */
  closeBy(nowMs: number): void {
    if (this.#ending) this.#ending.closeByMs = Math.min(this.#ending.closeByMs, nowMs);
  }

  #enqueue(frame: Buffer): void {
    if (!this.#socket.writable) return;
    const wasEmpty = this.unsentBytes === 0;
    const isQueued = this.#queue.length > 0 || this.#writing;
    if (isQueued || this.#socket.writableLength + frame.length > PIECE_BYTES * 2) {
      this.#queue.push(frame);
      this.#queuedBytes += frame.length;
      this.#continue();
    } else this.#writeWhole(frame);
    if (wasEmpty && this.unsentBytes > 0) this.#owner.onUnsent();
  }

  /** The common case, without a callback. */
  #writeWhole(frame: Buffer): void {
    const turn = presentTurn();
    if (turn === this.#turn && this.#socket.writableCorked === 0) joinWrites(this.#socket);
    this.#turn = turn; // OUTBOX-5
    this.#socket.write(frame);
  }

  /** Writes the next piece, or ends the connection, unless a write is under way. */
  #continue(): void {
    if (this.#writing || this.#closed) return;
    if (!this.#socket.writable) {
      this.#discardQueue();
      return;
    }
    const piece = this.#nextPiece();
    if (piece) this.#writePiece(piece);
    else if (this.#ending) this.#finish(this.#ending);
    // The socket's own "drain" comes only past its high-water mark, which is above ours; the callback
    // of an empty write comes when everything before it was taken.
    else if (this.#awaitingReady) this.#writePiece(EMPTY);
  }

  #writePiece(piece: Buffer): void {
    this.#writing = true;
    this.#socket.write(piece, () => {
      this.#writing = false;
      if (this.#awaitingReady && !this.#ending && this.unsentBytes <= READY_BYTES) {
        this.#awaitingReady = false;
        if (!this.#closed) this.#owner.onReady();
      }
      this.#continue();
    });
  }

  #nextPiece(): Buffer | undefined {
    const frame = this.#queue[0];
    if (!frame) return undefined;
    const piece = frame.subarray(0, PIECE_BYTES);
    if (piece.length === frame.length) this.#queue.shift();
    else this.#queue[0] = frame.subarray(PIECE_BYTES);
    this.#queuedBytes -= piece.length;
    return piece;
  }

  #finish(ending: Ending): void {
    if (ending.finished) return;
    ending.finished = true;
    ending.finish();
  }

  #slow(): void {
    if (this.#foundSlow) return;
    this.#foundSlow = true;
    this.#owner.onSlow();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#discardQueue();
    this.#owner.onClosed?.();
  }

  #discardQueue(): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }
}
