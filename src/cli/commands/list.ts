import type { ListOptions, OperationDocument, OperationStatus } from "../../../client/client.ts";
import { progressText } from "../terminal/operation-text.ts";
import { jsonLine, printable } from "../terminal/text.ts";
import { defineCommand, EXIT, parseInteger } from "./command.ts";

const DEFAULT_ROWS = 20;
const MOST_ROWS = 10_000;
/** @see PROTOCOL.md, section 3, List */
const MOST_ROWS_OF_A_PAGE = 500;
const COLUMNS = ["OPERATION", "STATUS", "NAME", "CREATED", "PROGRESS"];

export const list = defineCommand({
  operands: [],
  summary: "lists operations, the newest first",
  options: {
    status: {
      type: "string",
      multiple: true,
      value: "<status>",
      help: "of this status, such as RUNNING or Completed. May be repeated",
    },
    name: {
      type: "string",
      multiple: true,
      value: "<name>",
      help: "of this orchestration. May be repeated",
    },
    tag: {
      type: "string",
      multiple: true,
      value: "<key:value>",
      help: "with this tag. Repeated: with all of them",
    },
    prefix: { type: "string", value: "<text>", help: "whose ids begin with this" },
    "created-after": { type: "string", value: "<time>", help: "created at this time or later" },
    "created-before": { type: "string", value: "<time>", help: "created before this time" },
    limit: { type: "string", value: "<n>", help: `at most so many. Default: ${DEFAULT_ROWS}` },
    json: { type: "boolean", help: "one document a line" },
  },
  async run({ client }, _operands, values) {
    const { json, limit, status, name, tag, prefix } = values;
    const most = limit === undefined ? DEFAULT_ROWS : parseInteger("limit", limit, 1, MOST_ROWS);
    const filter: ListOptions = {
      ...(status && { status: status as OperationStatus[] }),
      ...(name && { name }),
      ...(tag && { tag }),
      ...(prefix && { prefix }),
      ...(values["created-after"] && { created_after: values["created-after"] }),
      ...(values["created-before"] && { created_before: values["created-before"] }),
    };
    const found: OperationDocument[] = [];
    let page_token: string | undefined;
    do {
      const wanted = Math.min(most - found.length, MOST_ROWS_OF_A_PAGE);
      const page = await client.list({
        ...filter,
        limit: wanted,
        ...(page_token && { page_token }),
      });
      found.push(...page.operations);
      page_token = page.next_page_token;
    } while (page_token !== undefined && found.length < most);
    process.stdout.write(json ? found.map(jsonLine).join("") : tableOf(found));
    return EXIT.done;
  },
});

function tableOf(operations: readonly OperationDocument[]): string {
  const rows = operations.map((each) => [
    each.operation_id,
    each.status,
    each.name,
    each.created_at,
    progressText(each),
  ]);
  const table = [COLUMNS, ...rows].map((row) => row.map(printable));
  const widths = COLUMNS.map((_, column) =>
    table.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  return lines.map((cells) => `${cells.join("  ").trimEnd()}\n`).join("");
}
