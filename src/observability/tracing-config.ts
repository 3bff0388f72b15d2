/** The samplers of OpenTelemetry's specification. `parentbased_*` decide where the caller has not. */
const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

/** How traces are exported. Address, headers and resource are read by OpenTelemetry's SDK itself. */
export interface TracingConfig {
  readonly sampler: (typeof SAMPLERS)[number];
  /** Share of the traces that begin here, for the samplers with a ratio: 0–1. */
  readonly ratio: number;
}

const PROTOCOL = "http/protobuf";

/**
 * Reads the variables of OpenTelemetry's SDK that decide whether and what is traced; a bad one adds to
 * `problems`.
 * @returns `undefined` where nothing is traced: without the address of a collector
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function readTracing(env: NodeJS.ProcessEnv, problems: string[]): TracingConfig | undefined {
  /** The variable for traces precedes the one for every signal. */
  const otlp = (name: string) =>
    [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`].find((each) => env[each]);
  const endpoint = otlp("ENDPOINT");
  const isOff = env.OTEL_SDK_DISABLED === "true" || env.OTEL_TRACES_EXPORTER === "none";
  if (!endpoint || isOff) return undefined;
  if (!/^https?:$/.test(URL.parse(env[endpoint] ?? "")?.protocol ?? "")) {
    problems.push(`${endpoint} must be an http:// or https:// URL, such as http://localhost:4318`);
  }
  const protocol = otlp("PROTOCOL");
  if (protocol && env[protocol] !== PROTOCOL) {
    problems.push(
      `${protocol} must be ${PROTOCOL}, got "${env[protocol]}": name the collector's port for HTTP, often 4318`,
    );
  }
  const sampler = SAMPLERS.find((name) => name === (env.OTEL_TRACES_SAMPLER || SAMPLERS[3]));
  if (!sampler) {
    const { OTEL_TRACES_SAMPLER: got } = env;
    problems.push(`OTEL_TRACES_SAMPLER must be one of ${SAMPLERS.join(", ")}, got "${got}"`);
  }
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  if (!(ratio >= 0 && ratio <= 1)) {
    const { OTEL_TRACES_SAMPLER_ARG: got } = env;
    problems.push(`OTEL_TRACES_SAMPLER_ARG must be a number of 0–1, got "${got}"`);
  }
  return sampler && { sampler, ratio };
}
