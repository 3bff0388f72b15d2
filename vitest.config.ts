import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // Tests mostly wait for sockets and processes, so two files at a time also on two cores.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
