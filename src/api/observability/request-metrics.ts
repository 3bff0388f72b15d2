import { Histogram, type Registry } from "@prometheus-io/client";
import type { ServedRequest } from "./requests.ts";

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Methods with a label of their own. Clients can invent others. */
const METHODS = new Set(["GET", "HEAD", "POST", "DELETE", "OPTIONS"]);

/** Counts requests other than streams, and their durations; `_count` is the number of requests. */
export function countRequests(registry: Registry): (served: ServedRequest) => void {
  const duration = new Histogram({
    name: "dts_push_http_request_duration_seconds",
    help: "Time to answer a request, by route, method and class of the status. Streams are not among them; waited: held by Prefer: wait",
    labelNames: ["route", "method", "status", "waited"],
    buckets: BUCKETS_S,
    registers: [registry],
  });
  return ({ request, reply, durationMs, abandoned }) => {
    const { method, routeOptions } = request;
    duration.observe(
      {
        route: routeOptions.url ?? "none",
        method: METHODS.has(method) ? method : "other",
        status: abandoned ? "abandoned" : `${Math.floor(reply.statusCode / 100)}xx`,
        waited: String(reply.hasHeader("preference-applied")),
      },
      durationMs / 1000,
    );
  };
}
