import type { Writable } from "node:stream";
import { styleText } from "node:util";
import type { ConnectionState, OperationDocument } from "../../../client/client.ts";
import { isTerminal } from "../../../client/wire.ts";
import { messageOf, outcomeText, percentOf, stepText } from "./operation-text.ts";
import { durationText, printable } from "./text.ts";
import type { WatchOutput } from "./watch-output.ts";

const CLEAR_LINE = "\r\x1b[K";
/** The terminal itself cuts off what does not fit on the line. */
const [NO_WRAP, WRAP] = ["\x1b[?7l", "\x1b[?7h"];
const BAR_CELLS = 20;
const REDRAW_EVERY_MS = 1000;

type Style = Parameters<typeof styleText>[0];
const STYLES: Readonly<Record<string, Style>> = {
  Completed: "green",
  Failed: "red",
  TERMINATED: "red",
  CANCELED: "red",
  SUSPENDED: "yellow",
};

/** One line that is rewritten in place, with a progress bar. Steps scroll above it. */
export function terminalOutput(out: Writable): WatchOutput {
  let operation: OperationDocument | undefined;
  let connection: ConnectionState = { kind: "connecting" };
  let ended = false;
  const style = (name: Style, text: string) => styleText(name, text, { stream: out });

  const draw = (before = "") => {
    const line = [...(operation ? partsOf(operation, style) : []), noteOf(connection, style)];
    const text = line.filter((part) => part !== "").join("  ");
    out.write(`${CLEAR_LINE}${before}${NO_WRAP}${text}${WRAP}`);
  };
  // Shows that time passes, and how long.
  const timer = setInterval(draw, REDRAW_EVERY_MS);

  return {
    item(item) {
      if (ended) return;
      if (item.type === "operation") operation = item.operation;
      if (item.type === "step") draw(`${stepText(item.step)}\n`);
      else if (item.type === "reset") draw(`${printable(`reset: ${item.reason}`)}\n`);
      else draw();
    },
    connection(state) {
      connection = state;
      if (!ended) draw();
    },
    end() {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      connection = { kind: "closed" };
      draw();
      const outcome = operation && isTerminal(operation) ? outcomeText(operation) : "";
      out.write(outcome === "" ? "\n" : `\n${outcome}\n`);
    },
  };
}

function partsOf(operation: OperationDocument, style: (name: Style, text: string) => string) {
  const { operation_id, status, created_at, last_updated, completed_at } = operation;
  const end = isTerminal(operation) ? Date.parse(completed_at ?? last_updated) : Date.now();
  const percent = percentOf(operation);
  return [
    printable(operation_id),
    style(STYLES[status] ?? "cyan", printable(status)),
    percent === undefined ? "" : barOf(percent),
    messageOf(operation),
    durationText(end - Date.parse(created_at)),
  ];
}

function barOf(percent: number): string {
  const full = Math.floor((percent / 100) * BAR_CELLS);
  return `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)} ${Math.floor(percent)} %`;
}

function noteOf(state: ConnectionState, style: (name: Style, text: string) => string): string {
  switch (state.kind) {
    case "connecting":
      return style("dim", "connecting");
    case "stale":
      return style("yellow", "the server cannot read the scheduler");
    case "retrying":
      return style(
        "yellow",
        `not connected, next attempt in ${durationText(state.at - Date.now())}`,
      );
    default:
      return "";
  }
}
