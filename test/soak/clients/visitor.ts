import { setTimeout as pause } from "node:timers/promises";
import { ProblemError } from "../../../client/problem.ts";
import type { Random } from "../random.ts";
import type { ClientKind, Credential } from "./client-kinds.ts";
import type { Operations } from "./operations.ts";
import { View } from "./view.ts";

export interface VisitorOptions {
  readonly url: URL;
  readonly kind: ClientKind;
  readonly credential: Credential;
  readonly operations: Operations;
  /** Among how many of the newest operations it chooses. */
  readonly choice: number;
  readonly random: Random;
  /** Gives everything up. */
  readonly signal: AbortSignal;
  /** Something has arrived. */
  onProgress(): void;
}

/**
 * A client that follows one operation after the other, each to its end: it comes, goes, stalls, and comes back
 * with its last cursor.
 */
export class Visitor {
  readonly #options: VisitorOptions;
  #leaves = false;
  /** Of operations that it has followed to their end. */
  readonly finished: View[] = [];
  /** Of what it follows now. */
  #present: readonly View[] = [];
  connections = 0;
  /** Tokens that took the place of expired ones while it was there. */
  renewals = 0;
  /** What no fault explains. */
  readonly problems: string[] = [];

  constructor(options: VisitorOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.kind.name;
  }

  /** What it still waits for. */
  get waitsFor(): readonly string[] {
    return this.#present.map(({ operation, isTerminal, cursor }) => {
      const has = isTerminal ? "its last state, and waits for the end" : `the state ${cursor}`;
      return `${this.name} of ${operation.id} has ${has}`;
    });
  }

  /** Ends after the operations that it follows now. */
  leave(): void {
    this.#leaves = true;
  }

  async run(): Promise<void> {
    const { kind, operations, random, signal, choice } = this.#options;
    while (!this.#leaves && !signal.aborted) {
      const chosen = new Set(
        Array.from({ length: kind.operations }, () => operations.pick(random, choice)),
      );
      const views = [...chosen].map((operation) => new View(operation));
      this.#present = views;
      await this.#follow(views as [View, ...View[]]);
      this.#present = [];
      this.finished.push(...views);
    }
  }

  async #follow(views: readonly [View, ...View[]]): Promise<void> {
    const { random, signal } = this.#options;
    const received = () => views.reduce((all, view) => all + view.documents + view.steps, 0);
    while (!signal.aborted) {
      const before = received();
      const isOver = await this.#visit(views);
      if (isOver || received() > before) this.#options.onProgress();
      if (isOver) {
        for (const view of views) view.end();
        return;
      }
      await pause(random.integer(20, 1500), undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns whether nothing more will come */
  async #visit(views: readonly [View, ...View[]]): Promise<boolean> {
    const { kind, url, credential, random, signal } = this.#options;
    const gone = new AbortController();
    let tokens = 0;
    const staysMs = random.chance(50) ? random.integer(100, 8000) : undefined;
    const timer = staysMs && setTimeout(() => gone.abort(), staysMs);
    this.connections += 1;
    try {
      return await kind.follow(views, {
        url,
        credential: () => {
          tokens += 1;
          if (tokens > 1) this.renewals += 1;
          return credential();
        },
        signal: AbortSignal.any([signal, gone.signal]),
        drawStallMs: () => (random.chance(3) ? random.integer(200, 4000) : 0),
      });
    } catch (error) {
      // A token may expire on its way, twice in a row where everything is slow. Whatever else is final is a fault.
      const isFinal = error instanceof ProblemError && !error.mayRepeat && error.status !== 401;
      if (isFinal) this.problems.push(`${kind.name} ${views[0].operation.id}: ${error.message}`);
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}
