import { readFile } from "node:fs/promises";
import { parser } from "@prometheus-io/lezer-promql";
import { beforeAll, expect, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { eventually } from "../helpers/deadline.ts";
import { testConfig } from "../helpers/stack.ts";

const FILE = new URL("../../docs/grafana/dts-push.json", import.meta.url);
/** Labels that Prometheus adds to what it scrapes. */
const OF_THE_SCRAPE = ["job", "instance"];

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string }[];
  };
}

/** Queries of the README's table, which have no variables. */
const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
const alerts = [...readme.matchAll(/^\| `([^`]*dts_push_[^`]*)` \|/gm)].map(([, expr = ""]) => ({
  title: "an alert of the README",
  expr,
  legendFormat: "",
}));

const dashboard = JSON.parse(await readFile(FILE, "utf8")) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
);

/** Names of metrics and labels in a PromQL expression. @throws Error where it is none */
function namesIn(expr: string): { metrics: Set<string>; labels: Set<string> } {
  const names = { metrics: new Set<string>(), labels: new Set<string>() };
  const text = expr.replaceAll("$__rate_interval", "5m");
  parser.parse(text).iterate({
    enter({ type, name, from, to }) {
      if (type.isError) throw new Error(`at ${from}: ${text}`);
      if (name === "LabelName") names.labels.add(text.slice(from, to));
      if (name === "VectorSelector") {
        names.metrics.add(/^\w+/.exec(text.slice(from, to))?.[0] ?? "");
      }
    },
  });
  return names;
}

/** Every metric that a server exports, with its labels. Label sets that were never used are not shown. */
async function exported(url: URL): Promise<Map<string, Set<string>>> {
  const metrics = new Map<string, Set<string>>();
  const text = await (await fetch(new URL("/metrics", url))).text();
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = metrics.get(name) ?? new Set();
    metrics.set(name, known);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known.add(label);
  }
  return metrics;
}

/** Hints go to another replica, which is not there. */
const hints = { ...testConfig().hints, peers: [new URL("http://127.0.0.1:1")] };
const stack = useSharedStack({ worker: true, config: { hints } });
/** Metrics with labels, which are exported some time after their first use. */
const LAST = [
  "dts_push_resumes_total",
  "dts_push_disconnects_total",
  "dts_push_hints_total",
  "dts_push_hints_forwarded_total",
];
let metrics: Map<string, Set<string>>;

async function start(operation_id: string, processing_time: number): Promise<void> {
  const started = await fetch(new URL("/api/start-operation", stack.url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ operation_id, processing_time }),
  });
  expect(started.status).toBe(202);
}

async function hint(id: string): Promise<void> {
  const sent = await fetch(new URL("/api/hints", stack.url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ operation_ids: [id] }),
  });
  expect(sent.status).toBe(204);
}

/** The id of a stream's first event, after which the stream is closed. */
async function firstEvent(url: URL, headers: Record<string, string> = {}): Promise<string> {
  const { body } = await fetch(url, { headers });
  let text = "";
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, id] = /^id: (\S+)$/m.exec(text) ?? [];
    if (id) return id;
  }
  throw new Error(`no event in ${text}`);
}

/** Uses what has labels once, so that they are exported. */
beforeAll(async () => {
  await start("ended", 0);
  const events = (id: string) => new URL(`/api/operations/${id}/events`, stack.url);
  await (await fetch(events("ended"))).text();
  // Resumed while it runs: after its end there would be nothing to resume.
  await start("runs", 100);
  await firstEvent(events("runs"), { "last-event-id": await firstEvent(events("runs")) });
  await eventually("all metrics with labels", async () => {
    await hint("ended"); // again and again: the first come before the peers' addresses are known
    metrics = await exported(stack.url);
    return LAST.every((metric) => metrics.has(metric));
  });
});

test.each([...queries, ...alerts])(
  "$title, $legendFormat: metrics and labels exist",
  ({ expr, legendFormat }) => {
    const names = namesIn(expr);
    expect(names.metrics.size).toBeGreaterThan(0);
    for (const metric of names.metrics) expect([...metrics.keys()]).toContain(metric);
    const labels = new Set(
      [...names.metrics].flatMap((metric) => [...(metrics.get(metric) ?? [])]),
    );
    const known = [...labels, ...OF_THE_SCRAPE];
    for (const label of names.labels) expect(known).toContain(label);
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      expect(known).toContain(label);
    }
  },
);

test("the README has alerts", () => {
  expect(alerts.length).toBeGreaterThan(3);
});

test("every metric is on the dashboard", () => {
  const shown = new Set(
    queries.flatMap(({ expr }) => [...namesIn(expr).metrics].map(withoutSuffix)),
  );
  expect(new Set([...metrics.keys()].map(withoutSuffix)).difference(shown)).toEqual(new Set());
});

test("the variables ask for a metric that exists", () => {
  const asked = dashboard.templating.list.flatMap(
    ({ query }) => /label_values\((\w+)/.exec(query)?.[1] ?? [],
  );
  expect(asked).toHaveLength(2);
  for (const metric of asked) expect([...metrics.keys()]).toContain(metric);
});

test("each panel has an id of its own and a description, and none covers another", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { type, description } of panels) if (type !== "row") expect(description).toBeTruthy();
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

function withoutSuffix(metric: string): string {
  return metric.replace(/_(?:bucket|sum|count)$/, "");
}
