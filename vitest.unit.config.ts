import { defineConfig, mergeConfig } from "vitest/config";
import all from "./vitest.config.ts";

/** Tests without processes, browsers and schedulers: seconds, for the loop of writing. */
export default mergeConfig(
  all,
  defineConfig({
    test: {
      include: [
        "test/*.test.ts",
        "test/dts/connection-string.test.ts",
        "test/main/{roles,shutdown-times}.test.ts",
        "test/scheduler/{clock,group-commit}.test.ts",
        "test/streaming/{cursor,operation,watermark}.test.ts",
        "test/streaming/{fair-queue,horizon,poll-schedule,read-budget,reading,watching}.test.ts",
        "test/streaming/{feed-log,feed-position,outbox,service-order}.test.ts",
      ],
    },
  }),
);
