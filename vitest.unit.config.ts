import { defineConfig } from "vitest/config";
import all from "./vitest.config.ts";

/** Tests without processes, browsers and schedulers: seconds, for the loop of writing. */
export default defineConfig({
  test: {
    ...all.test,
    include: [
      "test/*.test.ts",
      "test/api/{contract,json-text}.test.ts",
      "test/api/credentials/stream-tokens.test.ts",
      "test/cli/terminal.test.ts",
      "test/client/size.test.ts",
      "test/dts/{connection-string,credentials}.test.ts",
      "test/main/{roles,shutdown-times}.test.ts",
      "test/scheduler/{clock,group-commit}.test.ts",
      "test/observability/tracing-config.test.ts",
      "test/streaming/{cursor,operation,operation-filter,watermark}.test.ts",
      "test/streaming/{access,announced,reading,watching}.test.ts",
      "test/streaming/{fair-queue,horizon,poll-schedule,read-budget}.test.ts",
      "test/streaming/{feed-log,feed-position,outbox,service-order}.test.ts",
    ],
  },
});
