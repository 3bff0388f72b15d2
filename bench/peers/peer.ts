/** What the servers that `fanout` compares have in common: each sends the same event to all of its clients. */
import type { Connects } from "../support/load.ts";
import type { BenchOptions } from "../support/report.ts";
import type { Schedule } from "../support/schedule.ts";

/** A server under measurement, in a process of its own on core 0. */
export interface Peer {
  /** How its clients connect. */
  readonly clients: Pick<Connects, "port" | "transport" | "paths">;
  usage(): Promise<PeerUsage>;
  collectGarbage(): Promise<unknown>;
  /**
   * Publishes at an even rate. Resolves when the last event has been handed to the server.
   * @returns the time at which the first was due, in epoch milliseconds
   */
  publish(schedule: Schedule): Promise<number>;
  stop(): Promise<unknown>;
}

export interface PeerUsage {
  /** User and system time so far, in milliseconds. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** How a peer is started. */
export interface PeerKind {
  /** Name and version of its library or program, "" if it has none; `undefined` where it is not installed. */
  version(): string | undefined;
  /** Printed where it is not installed. */
  readonly absent?: string;
  start(options: BenchOptions): Promise<Peer>;
}
