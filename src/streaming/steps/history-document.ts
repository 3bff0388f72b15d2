import type { Access } from "../../access.ts";
import { SchedulerError } from "../../dts/scheduler-error.ts";
import { HistoryNotKeptError } from "../../problems.ts";
import type { Cursor } from "../operation/cursor.ts";
import { withStepPosition } from "./position.ts";
import { StepBuilder } from "./step.ts";
import type { HistoryReader } from "./step-source.ts";

/** A request for a history. */
export interface HistoryWanted {
  readonly id: string;
  /** What its reader may do. */
  readonly access: Access;
  /** Only steps after this `seq` are included. */
  readonly afterSeq: number;
  readonly payloads: boolean;
  /** The status cursor, from a read before that of the history. */
  readonly status: Cursor;
}

/**
 * The history as one JSON document, in pieces as it is read: memory does not grow with its length.
 * @throws OperationNotFoundError where its reader may not read it (ACCESS-3), HistoryNotKeptError; SchedulerError, possibly after the first pieces
 */
export async function* historyDocument(
  histories: HistoryReader,
  wanted: HistoryWanted,
): AsyncGenerator<string, void, undefined> {
  wanted.access.checkRead(wanted.id);
  try {
    yield* pieces(histories, wanted);
  } catch (error) {
    const isNotKept = error instanceof SchedulerError && error.kind === "unsupported";
    throw isNotKept ? new HistoryNotKeptError() : error;
  }
}

async function* pieces(
  histories: HistoryReader,
  { id, afterSeq, payloads, status }: HistoryWanted,
): AsyncGenerator<string, void, undefined> {
  const builder = new StepBuilder();
  let begun = false;
  let separator = "";
  const begin = () => {
    if (begun) return "";
    begun = true;
    const execution_id = builder.executionId ?? null;
    return `${JSON.stringify({ operation_id: id, execution_id }).slice(0, -1)},"steps":[`;
  };
  for await (const chunk of histories.readHistory(id)) {
    let piece = "";
    for (const step of chunk.flatMap((entry) => builder.add(entry))) {
      piece += begin();
      if (step.position.seq <= afterSeq) continue;
      piece += `${separator}{${step.body(payloads)}`;
      separator = ",";
    }
    if (piece) yield piece;
  }
  const cursor = JSON.stringify(withStepPosition(status.text, builder.position));
  yield `${begin()}],"cursor":${cursor}}`;
}
