import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import { HintSender, type HintSenderOptions } from "../../dts/hints/hint-sender.ts";

/** Marks a hint that another replica has passed on, which is not passed on again. */
export const FORWARDED_HEADER = "dts-push-forwarded";

/** How long the addresses of a name are used before they are looked up again. */
const RESOLVE_EVERY_MS = 5000;
/** Replicas beyond it get no hints, and poll. */
const MAX_PEERS = 100;

export interface HintPeersOptions extends Pick<HintSenderOptions, "token" | "log" | "onOutcome"> {
  /** `http://name:port`. A name is every address that it resolves to. */
  readonly peers: readonly URL[];
  /** The port of this server, whose own addresses are left out. */
  readonly ownPort: () => number;
}

/**
 * Passes hints on to the other replicas.
 *   PEERS-1. Each address has a sender of its own, with its own queue, connection and pauses: one that
 *       hangs or is gone delays no other.
 *   PEERS-2. Names are looked up while hints come, at most every 5 s. Addresses that are gone lose their
 *       sender. While a name cannot be resolved, its last addresses are used.
 */
export class HintPeers {
  readonly #options: HintPeersOptions;
  readonly #senders = new Map<string, HintSender>();
  #resolvedAtMs = Number.NEGATIVE_INFINITY;
  #resolving: Promise<void> | undefined;
  #closed = false;

  constructor(options: HintPeersOptions) {
    this.#options = options;
  }

  /** Never waits and never throws. Before the first look-up has ended there is no peer to send to. */
  forward(ids: readonly string[]): void {
    if (this.#options.peers.length === 0 || this.#closed) return;
    if (performance.now() - this.#resolvedAtMs > RESOLVE_EVERY_MS) {
      this.#resolving ??= this.#resolve().finally(() => {
        this.#resolving = undefined;
      });
    }
    for (const sender of this.#senders.values()) for (const id of ids) sender.hint(id);
  }

  close(): void {
    this.#closed = true;
    for (const sender of this.#senders.values()) sender.close();
    this.#senders.clear();
  }

  async #resolve(): Promise<void> {
    const found = await Promise.all(this.#options.peers.map((peer) => this.#addressesOf(peer)));
    if (this.#closed) return;
    this.#resolvedAtMs = performance.now();
    // Which of the present ones belong to a name that is not resolved is not known: PEERS-2.
    if (!found.includes(undefined)) this.#closeOthers(new Set(found.flat()));
    const own = ownAddresses();
    for (const address of found.flatMap((addresses) => addresses ?? []).slice(0, MAX_PEERS)) {
      const { hostname, port } = new URL(address);
      const isOwn = own.has(hostname) && Number(port || 80) === this.#options.ownPort();
      if (!isOwn && !this.#senders.has(address)) this.#senders.set(address, this.#sender(address));
    }
  }

  #closeOthers(present: ReadonlySet<string | undefined>): void {
    for (const [address, sender] of this.#senders) {
      if (present.has(address)) continue;
      sender.close();
      this.#senders.delete(address);
    }
  }

  #sender(url: string): HintSender {
    const { token, log, onOutcome } = this.#options;
    const headers = { [FORWARDED_HEADER]: "1" };
    return new HintSender({ url, token, log, headers, ...(onOutcome && { onOutcome }) });
  }

  /** The peer by each of its addresses; `undefined` where its name cannot be resolved at present. */
  async #addressesOf(peer: URL): Promise<readonly string[] | undefined> {
    const name = peer.hostname.replace(/^\[|\]$/g, "");
    try {
      const addresses = await lookup(name, { all: true });
      return addresses.map(({ address, family }) => {
        const url = new URL(peer);
        url.hostname = family === 6 ? `[${address}]` : address;
        return url.href;
      });
    } catch {
      return undefined;
    }
  }
}

function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(all.map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address)));
}
