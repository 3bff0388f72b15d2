import type { Duplex } from "node:stream";

/** Sockets that a stream writes to by itself: no answer of HTTP may go between its events. */
export const streamedSockets = new WeakSet<Duplex>();
