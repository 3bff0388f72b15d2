import { type RouteDocs, SCHEDULER_PROBLEMS, STREAM_ANSWERS } from "../docs/route-docs.ts";

const STREAM = {
  tag: "streams",
  requestHeaders: ["Last-Event-ID"],
  answers: STREAM_ANSWERS,
  problems: ["operation-not-found", ...SCHEDULER_PROBLEMS],
} satisfies Partial<RouteDocs>;

export const WATCH_OPERATION: RouteDocs = {
  ...STREAM,
  operationId: "watchOperation",
  summary: "One operation as it changes, to its end",
  description:
    "A `snapshot` of the present state, an `update` for every change that a read sees, `bye` after the " +
    "terminal one. With `detail=steps` also one `step` for each entry of the history, exactly once and " +
    "in order. Resume with the last id: only what changed since is sent.",
};

export const WATCH_EVENTS: RouteDocs = {
  ...STREAM,
  operationId: "watchOperations",
  summary: "Several operations, or the feed of all of them",
  description:
    "With `operation_id`, up to 200 times: these operations. Without it: the feed, the newest 1,000 " +
    "operations of the task hub or of those whose ids begin with `prefix`, every change of them, and new " +
    "ones by themselves. `status`, `name` and `tag` filter the feed; each can be repeated. An operation that " +
    "ceases to match is `removed`. `detail=steps` needs exactly one `operation_id`.",
};
