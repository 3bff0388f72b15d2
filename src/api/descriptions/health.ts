import { Type } from "typebox";
import { json, type RouteDocs, SCHEDULER_PROBLEMS, text } from "../docs/route-docs.ts";

const Health = (status: string) =>
  Type.Object({ status: Type.Literal(status) }, { examples: [{ status }] });

export const GET_HEALTHZ: RouteDocs = {
  operationId: "getLiveness",
  tag: "service",
  summary: "Whether the process runs",
  answers: { 200: json(Health("ok"), "It does.") },
};

export const GET_READYZ: RouteDocs = {
  operationId: "getReadiness",
  tag: "service",
  summary: "Whether the scheduler answers and this replica takes clients",
  answers: { 200: json(Health("ready"), "It does.") },
  problems: ["draining", "descriptors-exhausted", ...SCHEDULER_PROBLEMS],
};

export const GET_METRICS: RouteDocs = {
  operationId: "getMetrics",
  tag: "service",
  summary: "Metrics for Prometheus",
  answers: {
    200: text(
      "text/plain",
      "Prometheus text.",
      '# TYPE dts_push_connections gauge\ndts_push_connections{transport="sse"} 12\n',
    ),
  },
};
