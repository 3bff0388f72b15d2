import type { ConnectionState, StepsItem } from "../../../client/client.ts";

/** How an operation that is watched is shown. */
export interface WatchOutput {
  item(item: StepsItem): void;
  connection(state: ConnectionState): void;
  /** Nothing is shown any more. May be called again. */
  end(): void;
}
