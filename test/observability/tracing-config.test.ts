import { expect, test } from "vitest";
import { readTracing } from "../../src/observability/tracing-config.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
const DEFAULTS = { sampler: "parentbased_always_on", ratio: 1 };

function read(env: Record<string, string>) {
  const problems: string[] = [];
  return { tracing: readTracing(env, problems), problems };
}

test.each([
  ["no variable", {}, undefined],
  ["an empty address", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }, undefined],
  ["the address of a collector", ENDPOINT, DEFAULTS],
  ["the address for traces", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://c/v1" }, DEFAULTS],
  ["OTEL_SDK_DISABLED", { ...ENDPOINT, OTEL_SDK_DISABLED: "true" }, undefined],
  ["OTEL_TRACES_EXPORTER=none", { ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" }, undefined],
  ["the protocol", { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, DEFAULTS],
  [
    "a sampler with a ratio",
    { ...ENDPOINT, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" },
    { sampler: "traceidratio", ratio: 0.25 },
  ],
])("%s", (_what, env, tracing) => {
  expect(read(env)).toEqual({ tracing, problems: [] });
});

test.each([
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
    /^OTEL_EXPORTER_OTLP_ENDPOINT must be an http/,
  ],
  [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, /^OTEL_EXPORTER_OTLP_PROTOCOL .*"grpc"/],
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" },
    /^OTEL_EXPORTER_OTLP_TRACES_PROTOCOL .*"http\/json"/,
  ],
  [{ ...ENDPOINT, OTEL_TRACES_SAMPLER: "half" }, /^OTEL_TRACES_SAMPLER .*"half"/],
  [{ ...ENDPOINT, OTEL_TRACES_SAMPLER_ARG: "50%" }, /^OTEL_TRACES_SAMPLER_ARG .*"50%"/],
])("%o is a problem that names the variable", (env, problem) => {
  const { problems } = read(env);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(problem);
});

test("what is wrong with traces that are off is no problem", () => {
  expect(read({ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }).problems).toEqual([]);
});
