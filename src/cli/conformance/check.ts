import type { Server } from "./server.ts";
import type { TestOperations } from "./test-operations.ts";

/** What a check works with. */
export interface Subject {
  readonly server: Server;
  readonly operations: TestOperations;
}

/** One promise of docs/PROTOCOL.md. */
export interface Check {
  /** `<area>: <behaviour>` */
  readonly name: string;
  /** @throws Failure, Skipped, or what a request throws that gets no answer */
  run(subject: Subject): Promise<void>;
}

/** The checks of one area, by what they state. */
export function checksOf(
  area: string,
  checks: Readonly<Record<string, Check["run"]>>,
): readonly Check[] {
  return Object.entries(checks).map(([behaviour, run]) => ({ name: `${area}: ${behaviour}`, run }));
}
