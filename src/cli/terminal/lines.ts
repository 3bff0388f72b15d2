import type { Writable } from "node:stream";
import type { ConnectionState, StepsItem } from "../../../client/client.ts";
import { isTerminal } from "../../../client/wire.ts";
import { outcomeText, progressText, stepText } from "./operation-text.ts";
import { jsonLine, printable } from "./text.ts";
import type { WatchOutput } from "./watch-output.ts";

/** A line for each state and step, for pipes and logs: `<time> <status> <progress, or the outcome>`. */
export function lineOutput(out: Writable, errorOut: Writable): WatchOutput {
  return {
    item: (item) => void out.write(`${lineOf(item)}\n`),
    connection: connectionReports(errorOut),
    end: () => undefined,
  };
}

/** A line of JSON for each document, or with steps for each item of the client's. */
export function jsonOutput(out: Writable, errorOut: Writable, steps: boolean): WatchOutput {
  return {
    item(item) {
      if (steps) out.write(jsonLine(item));
      else if (item.type === "operation") out.write(jsonLine(item.operation));
    },
    connection: connectionReports(errorOut),
    end: () => undefined,
  };
}

function lineOf(item: StepsItem): string {
  switch (item.type) {
    case "operation": {
      const { operation } = item;
      const outcome = isTerminal(operation) ? outcomeText(operation) : "";
      const text = outcome || progressText(operation);
      return `${printable(`${operation.last_updated} ${operation.status}`)} ${text}`.trimEnd();
    }
    case "step":
      return `${printable(item.step.at ?? "-")} step ${stepText(item.step)}`;
    case "reset":
      return `- reset ${printable(item.reason)}`;
  }
}

/** Reports once that what is shown may be out of date, and once that it no longer is. */
function connectionReports(errorOut: Writable): (state: ConnectionState) => void {
  let fault = "";
  const report = (text: string) => errorOut.write(`dts-push: ${text}\n`);
  return (state) => {
    const now = faultOf(state);
    if (now === undefined || now === fault) return;
    report(now || "up to date again");
    fault = now;
  };
}

/** `undefined` where it does not say. */
function faultOf(state: ConnectionState): string | undefined {
  if (state.kind === "live") return "";
  if (state.kind === "stale") return "the server cannot read the scheduler; waiting";
  if (state.kind === "retrying" && state.error !== undefined) {
    return "the connection is lost; connecting again";
  }
  return undefined;
}
