import type { Link } from "./link.ts";

/**
 * A client that keeps to PROTOCOL.md: it has one connection at a time, to one of several replicas, and
 * resumes at any of them. What the server may not do is a fault.
 */
export abstract class Client<Connection extends Link = Link> {
  readonly name: string;
  readonly faults: string[] = [];
  readonly #replicas: readonly URL[];
  readonly #note: (what: string) => void;
  #replica = 0;
  protected link: Connection | undefined;

  constructor(name: string, replicas: readonly URL[], note: (what: string) => void) {
    this.name = name;
    this.#replicas = replicas;
    this.#note = note;
  }

  get isConnected(): boolean {
    return this.link !== undefined;
  }

  connect(replica: number): void {
    this.disconnect();
    this.#replica = replica % this.#replicas.length;
    this.note(`connects to replica ${this.#replica}`);
    this.link = this.open(this.#replicas[this.#replica] as URL);
  }

  disconnect(): void {
    if (!this.link) return;
    this.note("disconnects");
    this.closeLink();
  }

  /** Stops or resumes reading, where that is possible. */
  stall(stalled: boolean): void {
    this.link?.stall(stalled);
  }

  protected abstract open(replica: URL): Connection;

  protected closeLink(): void {
    this.link?.close();
    this.link = undefined;
  }

  /** The server has ended the connection and asked the client to connect again. */
  protected reconnect(reason: string): void {
    this.note(`bye ${reason}`);
    this.closeLink();
    this.connect(this.#replica + 1);
  }

  protected note(what: string): void {
    this.#note(`    ${this.name} ${what}`);
  }

  protected fault(what: string): void {
    this.note(`FAULT ${what}`);
    this.faults.push(`${this.name}: ${what}`);
  }
}
