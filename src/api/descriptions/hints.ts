import type { RouteDocs } from "../docs/route-docs.ts";

export const SEND_HINTS: RouteDocs = {
  operationId: "sendHints",
  tag: "service",
  summary: "Says which operations have just changed",
  description:
    "Those that are watched are read at once, others cost nothing. A hint is never trusted for content, " +
    "and never needed: without it the change is seen at the next poll.",
  answers: { 204: { description: "They were taken." } },
};
