import { performance } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "@prometheus-io/client";

/**
 * The process itself: memory, processor, and how much of the time its event loop is busy. All are read
 * when they are asked for, so that an idle process stays idle. The library's own set has timers.
 * @see https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
 */
export function measureProcess(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: "process_start_time_seconds",
    help: "Start of the process, in seconds since the epoch",
    registers,
  }).set(performance.timeOrigin / 1000);
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time, of the user and the system",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Counter({
    name: "dts_push_event_loop_active_seconds_total",
    help: "Time in which the event loop was busy; its rate is its utilization",
    registers,
    collect() {
      this.reset();
      this.inc(performance.eventLoopUtilization().active / 1000);
    },
  });
}
