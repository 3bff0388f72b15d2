import { unrestricted } from "../../access.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { Reader, ReadOutcome } from "../reading/reader.ts";

const PROCESS: Requester = { access: unrestricted("this process") };

/** A read in flight: as the reader returned it, and behind its owner's taking the outcome. */
interface InFlight {
  readonly read: Promise<ReadOutcome>;
  readonly taken: Promise<ReadOutcome>;
}

/** The reads of one operation that its watcher makes by itself. Each outcome is taken once. */
export class OwnReads {
  readonly #id: string;
  readonly #reader: Reader;
  readonly #take: (outcome: ReadOutcome) => void;
  /** The one that was asked for last. */
  #last: InFlight | undefined;

  /** @param take called with each outcome before those who wait for it get it */
  constructor(id: string, reader: Reader, take: (outcome: ReadOutcome) => void) {
    this.#id = id;
    this.#reader = reader;
    this.#take = take;
  }

  get inFlight(): boolean {
    return this.#last !== undefined;
  }

  /** Reads at once, for a caller that waits for it; by default for this process. Never rejects. */
  now(requester: Requester = PROCESS): Promise<ReadOutcome> {
    return this.#track(this.#reader.read(this.#id, requester));
  }

  /** Reads because it is due. Never rejects. */
  refresh(): Promise<ReadOutcome> {
    return this.#track(this.#reader.refresh(this.#id));
  }

  /** A caller waits for the one in flight. */
  hurry(requester: Requester): void {
    this.#reader.hurry(this.#id, requester);
  }

  #track(read: Promise<ReadOutcome>): Promise<ReadOutcome> {
    if (this.#last?.read === read) return this.#last.taken;
    const taken = read.then((outcome) => {
      if (this.#last?.read === read) this.#last = undefined;
      this.#take(outcome);
      return outcome;
    });
    this.#last = { read, taken };
    return taken;
  }
}
