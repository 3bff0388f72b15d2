import { json, type RouteDocs, SCHEDULER_PROBLEMS } from "../docs/route-docs.ts";
import { History } from "../schemas/history.ts";

const HISTORY = {
  tag: "operations",
  description:
    "The log that the scheduler keeps: every activity, timer, event and sub-orchestration, in order. " +
    "`cursor` resumes a stream with `detail=steps` after the last of these steps.",
  answers: { 200: json(History, "Its history so far.") },
  problems: [
    "operation-not-found",
    "history-not-kept",
    "too-many-histories",
    ...SCHEDULER_PROBLEMS,
  ],
} satisfies Partial<RouteDocs>;

export const GET_HISTORY: RouteDocs = {
  ...HISTORY,
  operationId: "getHistory",
  summary: "The history of an operation as one document",
};

export const GET_HISTORY_BY_QUERY: RouteDocs = {
  ...HISTORY,
  operationId: "getHistoryByQuery",
  summary: "The same for an id that a path cannot carry",
};
