import type { Duplex } from "node:stream";

/** Sockets that a stream writes to itself: no HTTP response may be written between its events. */
export const streamedSockets = new WeakSet<Duplex>();
