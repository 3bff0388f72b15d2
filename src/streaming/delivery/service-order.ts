import type { Operation } from "../operation/operation.ts";

/** A subscription that shares its connection with others. */
interface Served {
  /** The state that waits to be sent. */
  readonly pending: Operation | undefined;
  /** Sends it. */
  flush(): void;
}

/**
 * The order in which the subscriptions of one connection are served while its client does not keep up.
 *   ORDER-1. Terminal states come before others, and then the subscription that was served longest ago.
 *   ORDER-2. While one waits, no other one is served out of turn.
 */
export class ServiceOrder<Subscription extends Served> {
  /** The one served longest ago first. */
  readonly #subscriptions = new Set<Subscription>();
  #waiting = false;

  /** Also for one that was just sent something: it is then the last in order. */
  add(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#subscriptions.add(subscription);
  }

  delete(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
  }

  /** The one served longest ago first. */
  all(): Subscription[] {
    return [...this.#subscriptions];
  }

  /** Whether a new state can be sent at once. Where not, `flush` has to be called later. */
  isFree(connectionReady: boolean): boolean {
    this.#waiting ||= !connectionReady;
    return !this.#waiting; // ORDER-2
  }

  /** Sends pending states for as long as the connection is ready. */
  flush(isReady: () => boolean): void {
    const all = this.all();
    for (const terminal of [true, false]) {
      for (const each of all) {
        if (each.pending?.terminal !== terminal) continue;
        if (!isReady()) return;
        each.flush();
      }
    }
    this.#waiting = false;
  }
}
