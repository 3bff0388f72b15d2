import { ProblemError } from "../../../problems.ts";
import { FeedOptionError, type FeedWanted, feedWanted } from "../../feed/feed-wanted.ts";
import { checkOperationId } from "../../operation/operation-id.ts";
import { bodyOf, type StateEvent } from "../../operation/state-event.ts";
import { type StepsWanted, stepsWanted } from "../../steps/steps-wanted.ts";
import { PIECE_BYTES } from "../outbox.ts";

/** The WebSocket subprotocol's name (PROTOCOL.md). */
export const SUBPROTOCOL = "dts-push.v1";

/** Close codes. 4000–4399 mean reconnect, 4400–4999 mean do not. */
export const CloseCode = {
  done: 1000,
  drain: 1012,
  overload: 1013,
  authExpired: 4001,
  tooSlow: 4003,
  badMessage: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  noSubscription: 4408,
  limit: 4429,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** Longest message from a client. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** Most subscriptions of one connection at a time. */
export const MAX_SUBSCRIPTIONS = 200;
export const MAX_SUB_LENGTH = 100;

interface Subscribe {
  readonly type: "subscribe";
  /** The client's name for it. */
  readonly sub: string;
  /** The cursor or watermark that it stopped at, as the client sent it. */
  readonly after?: string | undefined;
}

/** A request to follow an operation. */
export interface SubscribeOperation extends Subscribe {
  readonly operationId: string;
  /** With `"detail":"steps"`. */
  readonly steps?: StepsWanted | undefined;
}

/** A request to follow a feed. */
export interface SubscribeFeed extends Subscribe {
  readonly feed: FeedWanted;
}

export type SubscribeMessage = SubscribeOperation | SubscribeFeed;

/** A message of a client. */
export type ClientMessage =
  | SubscribeMessage
  | { readonly type: "unsubscribe"; readonly sub: string }
  | { readonly type: "auth"; readonly token: string }
  | { readonly type: "ping" };

/** A message outside the protocol. The connection is closed. */
export class BadMessageError extends ProblemError {
  constructor(detail: string) {
    super("bad-message", 400, detail);
  }
}

/** A valid message that cannot be carried out. The connection stays open. */
export class SubscriptionError extends ProblemError {
  readonly sub: string;
  constructor(sub: string, { slug, status, message, members }: ProblemError) {
    super(slug, status, message, members);
    this.sub = sub;
  }
}

/** A limit of the protocol is exceeded. The connection is closed, and retrying would not help. */
export class LimitError extends ProblemError {}

export class MessageTooLargeError extends LimitError {
  constructor() {
    super("message-too-large", 413, `A message is at most ${MAX_MESSAGE_BYTES} bytes.`);
  }
}

export class TooManySubscriptionsError extends LimitError {
  constructor() {
    const detail = `A connection holds at most ${MAX_SUBSCRIPTIONS} subscriptions at a time.`;
    super("too-many-subscriptions", 429, detail);
  }
}

/**
 * Reads one text frame.
 * @throws BadMessageError for what is no message of this protocol
 * @throws SubscriptionError for a subscribe to an id that cannot be one, or to a feed that is not possible
 */
export function parseMessage(text: string): ClientMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw new BadMessageError("A message must be one JSON object.");
  }
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    throw new BadMessageError("A message must be one JSON object.");
  }
  const { type, sub, token } = message as Record<string, unknown>;
  if (type === "ping") return { type };
  if (type === "auth") {
    if (typeof token !== "string") throw new BadMessageError('"token" must be a string.');
    return { type, token };
  }
  if (type !== "subscribe" && type !== "unsubscribe") {
    throw new BadMessageError(
      'A message\'s "type" must be "subscribe", "unsubscribe", "auth" or "ping".',
    );
  }
  if (typeof sub !== "string" || sub.length < 1 || sub.length > MAX_SUB_LENGTH) {
    throw new BadMessageError(`"sub" must be a string of 1 to ${MAX_SUB_LENGTH} characters.`);
  }
  if (type === "unsubscribe") return { type, sub };
  return toSubscribe(sub, message as Record<string, unknown>);
}

function toSubscribe(sub: string, message: Record<string, unknown>): SubscribeMessage {
  const { operation_id, feed, after, detail, include } = message;
  if (after !== undefined && typeof after !== "string") {
    throw new BadMessageError('"after" must be a cursor, as a string, or be left out.');
  }
  const steps = stepsOf(detail, include);
  try {
    if (feed === undefined) {
      return { type: "subscribe", sub, operationId: checkOperationId(operation_id), after, steps };
    }
    if (operation_id !== undefined || steps) {
      throw new BadMessageError('"feed" excludes "operation_id" and "detail".');
    }
    if (typeof feed !== "object" || feed === null || Array.isArray(feed)) {
      throw new BadMessageError('"feed" must be an object, {} for all operations.');
    }
    return { type: "subscribe", sub, feed: feedWanted(feed), after };
  } catch (error) {
    if (error instanceof FeedOptionError) {
      throw new SubscriptionError(sub, new ProblemError("invalid-query", 400, error.message));
    }
    if (error instanceof BadMessageError) throw error;
    throw new SubscriptionError(sub, error as ProblemError);
  }
}

function stepsOf(detail: unknown, include: unknown): StepsWanted | undefined {
  try {
    return stepsWanted(detail, include);
  } catch (error) {
    throw new BadMessageError((error as Error).message);
  }
}

/** Prepared frames of one event, by `sub`: clients that number their subscriptions share most. */
const frames = new WeakMap<StateEvent, Map<string, Buffer>>();
const MAX_FRAMES_KEPT = 16;

/** A state event as one frame, ready for the socket. */
export function stateFrame(sub: string, event: StateEvent): Buffer {
  let bySub = frames.get(event);
  if (!bySub) {
    bySub = new Map();
    frames.set(event, bySub);
  }
  let frame = bySub.get(sub);
  if (!frame) {
    frame = bodyFrame({ sub, operation_id: event.operation.id }, event);
    if (bySub.size < MAX_FRAMES_KEPT) bySub.set(sub, frame);
  }
  return frame;
}

/**
 * One frame with members of the connection's own before those of an event.
 * @param event a state event, or JSON after its opening brace
 */
export function bodyFrame(
  members: Readonly<Record<string, unknown>>,
  event: StateEvent | string,
): Buffer {
  const body = typeof event === "string" ? event : bodyOf(event);
  return textFrame(`${JSON.stringify(members).slice(0, -1)},${body}`);
}

/**
 * One text message, unmasked as a server sends it. A long one is cut into fragments of exactly the
 * outbox's piece size, so that the control frames of the `ws` library may be written between them.
 * @see RFC 6455, sections 5.2 and 5.4
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length <= FRAGMENT_BYTES) return shortFrame(text, length);
  const payload = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let at = 0; at < payload.length; at += FRAGMENT_BYTES) {
    const part = payload.subarray(at, at + FRAGMENT_BYTES);
    const final = at + part.length === payload.length ? FINAL : 0;
    const opcode = at === 0 ? OPCODE_TEXT : OPCODE_CONTINUATION;
    parts.push(header(final | opcode, part.length), part);
  }
  return Buffer.concat(parts);
}

const OPCODE_CONTINUATION = 0x0;
const OPCODE_TEXT = 0x1;
const FINAL = 0x80;
const HEADER_BYTES = 4;
const FRAGMENT_BYTES = PIECE_BYTES - HEADER_BYTES;

function shortFrame(text: string, length: number): Buffer {
  const head = header(FINAL | OPCODE_TEXT, length);
  const frame = Buffer.allocUnsafe(head.length + length);
  head.copy(frame);
  frame.write(text, head.length);
  return frame;
}

function header(firstByte: number, length: number): Buffer {
  if (length < 126) return Buffer.from([firstByte, length]);
  return Buffer.from([firstByte, 126, length >> 8, length & 0xff]);
}
