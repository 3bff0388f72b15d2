/*
 * Metrics that each delivery changes. They count in plain numbers, which the registry takes when it is
 * collected: the library's own `inc` and `observe` would cost a tenth of a delivery.
 */
import { Counter, type Histogram, type Registry } from "@prometheus-io/client";

export type Transport = "sse" | "ws" | "poll";

/** Events sent, by type and transport. */
export class EventCounter {
  readonly #counts: Record<Transport, Record<string, number>> = { sse: {}, ws: {}, poll: {} };

  constructor(registry: Registry) {
    const counts = Object.entries(this.#counts);
    new Counter({
      name: "dts_push_events_total",
      help: "Events sent, by type and transport",
      labelNames: ["type", "transport"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [transport, byType] of counts) {
          for (const [type, count] of Object.entries(byType)) this.inc({ type, transport }, count);
        }
      },
    });
  }

  count(type: string, transport: Transport): void {
    const byType = this.#counts[transport];
    byType[type] = (byType[type] ?? 0) + 1;
  }
}

/** A histogram of seconds, as the library's without labels. */
export class PlainHistogram {
  readonly name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  /** Observations up to each bound and above the one before; last those above all. */
  readonly #counts: number[];
  #sum = 0;

  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = [...bounds, 0].map(() => 0);
    registry.registerMetric(this as unknown as Histogram);
  }

  observe(seconds: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && seconds > (bounds[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += seconds;
  }

  /** For the registry. */
  async get() {
    const metricName = `${this.name}_bucket`;
    let count = 0;
    const values: object[] = this.#counts.map((counted, at) => {
      count += counted;
      return { metricName, labels: { le: this.#bounds[at] ?? "+Inf" }, value: count };
    });
    values.push({ metricName: `${this.name}_sum`, labels: {}, value: this.#sum });
    values.push({ metricName: `${this.name}_count`, labels: {}, value: count });
    return { name: this.name, help: this.#help, type: "histogram", aggregator: "sum", values };
  }
}
